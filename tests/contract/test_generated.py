"""The generated code that is committed is what the protos give today."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "client" / "basanite" / "v1"


def test_generated_code_is_up_to_date(tmp_path: Path) -> None:
    subprocess.run(
        [ROOT / "tools" / "generate.sh", tmp_path], check=True, env=_environment(), capture_output=True
    )
    fresh = {path.name: path.read_text() for path in (tmp_path / "basanite" / "v1").iterdir()}
    committed = {path.name: path.read_text() for path in GENERATED.glob("*_pb2*")}
    assert fresh.keys() == committed.keys()
    stale = [name for name, text in fresh.items() if committed[name] != text]
    assert not stale, f"run `make proto`: {stale}"


def test_every_proto_file_is_generated() -> None:
    protos = {path.stem for path in (ROOT / "proto" / "basanite" / "v1").glob("*.proto")}
    assert protos == {path.name.removesuffix("_pb2.py") for path in GENERATED.glob("*_pb2.py")}


def test_buf_accepts_the_contract() -> None:
    buf = shutil.which("buf", path=str(Path(sys.executable).parent))
    assert buf is not None, "the dev extra brings buf"
    done = subprocess.run([buf, "lint"], cwd=ROOT / "proto", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def _environment() -> dict[str, str]:
    return {"PYTHON": sys.executable, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
