"""Run Python as on another processor: libraries choose their arithmetic by what the processor can do."""

import os
import subprocess
import sys

import numpy as np

FOUND: list[str] = np.show_config(mode="dicts")["SIMD Extensions"]["found"]  # pyright: ignore
OLDER = {
    "ATEN_CPU_CAPABILITY": "default",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": " ".join(FOUND),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Nehalem",
    "OPENCV_CPU_DISABLE": "AVX2,AVX512-SKX",
}
"""What makes torch, the C library, numpy and OpenCV take this processor for one of before 2013."""


def run_here_and_on_older(script: str, *arguments: str) -> tuple[bytes, bytes]:
    """Run a script twice, on this processor and as on an older one; what it prints."""
    command = [sys.executable, "-c", script, *arguments]
    here, older = (
        subprocess.run(command, env=os.environ | switches, stdout=subprocess.PIPE, check=True).stdout
        for switches in ({}, OLDER)
    )
    return here, older
