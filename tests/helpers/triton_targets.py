"""GPUs that are not there, for which Triton compiles; as a script, compiles the pair block."""

import torch
import triton
from pair_block_cases import by_type, case
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction

TARGETS = ((90, torch.float32), (80, torch.bfloat16))


class Driver:
    """Answers what Triton asks before it compiles."""

    def __init__(self, backend: str, arch: int | str) -> None:
        self.target = GPUTarget(backend, arch, 32)

    def get_current_target(self) -> GPUTarget:
        return self.target

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


def main() -> None:
    """Print every kernel's name and the bytes of its machine code, for all `TARGETS`."""
    from sitenet.model.evaluations import Evaluations
    from sitenet.model.kernels.gpu_backward import backward
    from sitenet.model.kernels.gpu_forward import forward

    run = JITFunction.run

    def compile_only(self, *arguments, **options):  # type: ignore[no-untyped-def]
        compiled = run(self, *arguments, **options | {"warmup": True})
        print(self.__name__, len(compiled.asm["cubin"]))

    JITFunction.run = compile_only
    widths = (17, 9, 5)
    tensors, pairs = case([4, 1, 6], widths, 19, 2)
    per_pair = Evaluations.of_pairs(pairs, source=torch.arange(11))
    for arch, dtype in TARGETS:
        triton.runtime.driver.set_active(Driver("cuda", arch))
        for evaluations in (per_pair, by_type(pairs)):
            real = [t.to(dtype) for t in tensors[:4]] + [t.float() for t in tensors[4:7]]
            real[2] = real[2][: len(evaluations.row)]
            mixed, fresh, *kept = forward(real, pairs, evaluations, widths)
            backward(real, pairs, evaluations, [mixed, *kept], [mixed, fresh], widths)


if __name__ == "__main__":
    main()
