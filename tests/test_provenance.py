"""A number says where it comes from."""

import json
import os
import re
from datetime import UTC, datetime

import torch

from mobilellm_lab.provenance import provenance


def test_provenance_says_where_a_number_comes_from():
    found = provenance("mobilellm-lab sweep squares", corpus_sha256="abc")
    assert list(found) == [
        "command",
        "commit",
        "machine",
        "python",
        "torch",
        "numpy",
        "threads",
        "date",
        "corpus_sha256",
    ]
    assert found["command"] == "mobilellm-lab sweep squares" and found["corpus_sha256"] == "abc"
    assert re.fullmatch(r"[0-9a-f]{40}\+?|unknown", found["commit"])
    assert f"{os.cpu_count()} cores" in found["machine"]
    assert found["torch"] == torch.__version__ and found["threads"] == torch.get_num_threads()
    assert datetime.strptime(found["date"], "%Y-%m-%d").replace(tzinfo=UTC) <= datetime.now(UTC)
    assert json.loads(json.dumps(found)) == found
