import subprocess
import sys

EVERYTHING = """
import importlib, pkgutil, sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "tokenizers", "safetensors", "shap"):
            raise ImportError(name + " is blocked")


sys.meta_path.insert(0, Blocked())
import voicerisk
left_out = {"voicerisk.__main__", "voicerisk.rbridge.child"}
names = [m.name for m in pkgutil.walk_packages(voicerisk.__path__, "voicerisk.") if m.name not in left_out]
core = [name for name in names if not name.startswith("voicerisk.deep.")]
for name in core:
    importlib.import_module(name)
print(len(core))
"""


def test_everything_but_the_neural_models_imports_without_torch():
    done = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
