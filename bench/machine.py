"""What the figures were measured on."""

import os
import pathlib
import platform
import re
import subprocess

FLAGS = ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8")


def cpu():
    """Name and the vector extensions that matter here."""
    try:
        lines = dict(line.split(":", 1) for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in lines.items()}
    except OSError:
        fields = {}
    has = fields.get("flags", "").split()
    return {"name": fields.get("model name", platform.processor()), "flags": [flag for flag in FLAGS if flag in has],
            "cores": os.cpu_count()}


def peak(predictor, arguments, threads, cores):
    """{gflops, read_gb} a second, as the predictor's own command line measures them on these cores."""
    text = subprocess.run([predictor, *arguments, "--benchmark", "1", "--per-step", "--threads", str(threads)], check=True,
                          stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores)).stdout
    found = re.search(r"peak ([\d.]+) GFLOP/s, reading memory ([\d.]+) GB/s", text)
    return {"gflops": float(found[1]), "read_gb": float(found[2])}
