import hashlib
import sys
from pathlib import Path

import pytest

from ftlgan.errors import WeightsError
from ftlgan.weights.packaged import packaged

WEIGHTS = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that cannot be imported and holds the file `models/net.onnx`."""
    folder = tmp_path / "explosive_package"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "models" / "net.onnx").write_bytes(WEIGHTS)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_file_is_found_without_running_its_package(package: Path) -> None:
    assert packaged("explosive_package", "models/net.onnx", DIGEST) == package / "models" / "net.onnx"
    assert "explosive_package" not in sys.modules


def test_one_changed_bit_is_refused_with_both_digests_and_the_way_out(package: Path) -> None:
    changed = bytearray(WEIGHTS)
    changed[-1] ^= 1
    file = package / "models" / "net.onnx"
    file.write_bytes(changed)
    with pytest.raises(WeightsError) as error:
        packaged("explosive_package", "models/net.onnx", DIGEST)
    message = str(error.value)
    assert str(file) in message
    assert DIGEST in message
    assert hashlib.sha256(changed).hexdigest() in message
    assert "--reinstall-package explosive_package -r requirements.lock" in message
    assert "\n" not in message


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "path"), [("explosive_package", "models/other.onnx"), ("no_such_package", "net.onnx")]
)
def test_a_missing_file_or_package_is_named_with_the_way_out(name: str, path: str) -> None:
    with pytest.raises(WeightsError, match=rf"{path}.*{name}|{name}.*{path}") as error:
        packaged(name, path, DIGEST)
    assert "requirements.lock" in str(error.value)
