"""What turns a target into files. Describes and validates; the compiling itself happens in the worker."""
