"""Asks a candidate before clients do: any other exit code than 0 keeps the version before.

git-model sets GIT_MODEL_URL, GIT_MODEL_ENVIRONMENT, GIT_MODEL_MODEL, GIT_MODEL_VERSION and GIT_MODEL_COMMIT.
"""

import json
import os
import urllib.request

ROWS = [[3, 70, 20], [5, 120, 5]]

request = urllib.request.Request(
    os.environ["GIT_MODEL_URL"] + "/predict",
    data=json.dumps({"rows": ROWS}).encode(),
    headers={"Content-Type": "application/json"},
)
with urllib.request.urlopen(request, timeout=10) as answer:
    predictions = json.load(answer)["predictions"]

assert len(predictions) == len(ROWS), predictions
small, large = predictions
assert 0 < small < large, f"a larger and newer house must cost more: {predictions}"
print(f"plausible: {predictions}")
