"""What the drivers share; they run in the viewers' own Python, without our packages."""

import json
import os
import sys
import traceback
from pathlib import Path

import numpy as np


def run(functions):
    """Do the jobs of the folder named by the first argument; `tests.viewers.processes` says what lies there.

    Parameters
    ----------
    functions : dict
        By name: takes a job's arguments, returns what JSON holds, and arrays.
    """
    folder = Path(sys.argv[1])
    jobs = json.loads((folder / "jobs.json").read_text())
    with (folder / "answers.jsonl").open("w") as answers:
        for number, job in enumerate(jobs):
            # what libraries written in C++ have to say about the job follows this line
            os.write(2, f"\n@job {number}\n".encode())
            try:
                answer = functions[job["do"]](**job["arguments"])
            except Exception:
                answer = {"error": traceback.format_exc()}
            for key, value in answer.items():
                if isinstance(value, np.ndarray):
                    answer[key] = {"array": f"{number}-{key}.npy"}
                    np.save(folder / answer[key]["array"], value)
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
