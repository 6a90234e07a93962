"""From the start of a process to its first result, and the memory it takes."""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

ENGINE = pathlib.Path(__file__).resolve().parent / "engine.py"


def launch(command, cores):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, cores))


def start_once(engine, case, threads, cores):
    """Milliseconds. Igata: the standalone predictor from its start to its end. Others: a Python process up to its first
    result. None if the engine is not there."""
    alone = engine in case.predictors
    command = ([case.predictors[engine], *case.files(), "--threads", str(threads)] if alone else
               [sys.executable, str(ENGINE), engine, str(case.folder), str(threads), "--once"])
    before = time.perf_counter()
    process = launch(command, cores)
    line = process.stdout.read() if alone else process.stdout.readline()
    if alone:
        process.wait()
    elapsed = (time.perf_counter() - before) * 1e3
    process.stdout.read()
    process.stdout.close()
    return elapsed if process.wait() == 0 and "error" not in line else None


def peak_once(engine, case, threads, cores):
    """MB. None if the engine is not there."""
    if engine in case.predictors:
        text = launch([case.predictors[engine], *case.files(), "--benchmark", "3", "--threads", str(threads)], cores).communicate()[0]
        return float(re.search(r"peak memory +([\d.]+) MB", text)[1])
    text = launch([sys.executable, str(ENGINE), engine, str(case.folder), str(threads), "--once"], cores).communicate()[0]
    return json.loads(text.splitlines()[-1]).get("peak_mb")


def measure_starts(engines, case, threads, cores, rounds):
    """{engine: {start_ms, peak_mb}}: medians of turns; of the others, a process with only Python and numpy is taken off."""
    names = [*engines, "none"]
    starts = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            starts[name].append(start_once(name, case, threads, cores))
    peaks = {name: peak_once(name, case, threads, cores) for name in names}
    result = {}
    for name in engines:
        if None in starts[name]:
            continue
        bare = 0 if name in case.predictors else 1
        result[name] = {"start_ms": statistics.median(starts[name]) - bare * statistics.median(starts["none"]),
                        "peak_mb": peaks[name] - bare * peaks["none"]}
    return result
