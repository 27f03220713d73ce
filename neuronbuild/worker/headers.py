"""A header of torch's that every compiled graph includes, in a form that takes g++ less time.

`aoti_runtime/model_base.h` reads the name of a device ("cpu", "cuda:0") with a std::regex. The code of its automaton is half of
what g++ compiles around a small graph: with torch 2.13 and g++ 12 a wrapper takes 11.3 CPU seconds with it, and 5.7 without.
What is compiled here runs on the CPU alone, whose name torch's runner gives without a number, so the copy knows no other.
"""

from __future__ import annotations

import os

NAME = "torch/csrc/inductor/aoti_runtime/model_base.h"
FIRST_LINE = '  std::regex re("(cpu|cuda|xpu|mps)(:([0-9]+))?");\n'
LAST_LINE = "\n}\n"
BODY = """\
  AOTI_RUNTIME_CHECK(device_str == "cpu", "Invalid device: " + device_str);
  device_type = aoti_torch_device_type_cpu();
  device_idx = -1;"""


def without_regex(text: str) -> str | None:
    """The header with another body of `parse_device_str`, or None for a header that isn't as torch 2.13's in this place."""
    before, found, after = text.partition(FIRST_LINE)
    _, end, rest = after.partition(LAST_LINE)
    if not found or not end or "std::regex" in rest:
        return None
    return before + BODY + end + rest


def write_copy(include: str, folder: str) -> bool:
    """Write the copy below a folder that goes before torch's own `include`; whether there is one.

    Several workers may do so at once. A torch whose header is another is compiled with as it is: that is slower, and right.
    """
    with open(os.path.join(include, NAME)) as file:
        text = without_regex(file.read())
    if text is None:
        return False
    target = os.path.join(folder, NAME)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = f"{target}.{os.getpid()}"
    with open(part, "w") as file:
        file.write(text)
    os.replace(part, target)
    return True
