"""What the drivers share; they run in the viewers' own Python, without our packages."""

import json
import os
import sys
import traceback

import numpy as np


def run(functions):
    """Do the jobs of the folder named by the first argument; `tests.viewers.processes` says what lies there.

    Parameters
    ----------
    functions : dict
        By name: takes a job's arguments, returns what JSON holds, and arrays.
    """
    folder = sys.argv[1]
    with open(os.path.join(folder, "jobs.json")) as file:
        jobs = json.load(file)
    with open(os.path.join(folder, "answers.jsonl"), "w") as answers:
        for number, job in enumerate(jobs):
            # what libraries written in C++ have to say about the job follows this line
            os.write(2, b"\n@job %d\n" % number)
            try:
                answer = functions[job["do"]](**job["arguments"])
            except Exception:
                answer = {"error": traceback.format_exc()}
            for key, value in answer.items():
                if isinstance(value, np.ndarray):
                    answer[key] = {"array": "%d-%s.npy" % (number, key)}
                    np.save(os.path.join(folder, answer[key]["array"]), value)
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
