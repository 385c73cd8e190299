"""The command: what goes well is a summary, what goes wrong one sentence and exit code 1."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from desi_survey import real_directory, write_pair

from ojala import __version__, cli
from ojala.cli import OWN, commands, main, summary
from ojala.commands import simulate
from ojala.sky.sky_config import SkyConfig


def listing(directory):
    return sorted(path.name for path in Path(directory).iterdir())


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"ojala {__version__}\n"


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in commands())
    assert all(summary(module).split()[0] in out for module in commands().values())


def test_every_file_of_commands_is_a_sub_command():
    files = {
        path.stem.replace("_", "-") for path in Path(cli.__file__).parent.glob("commands/*.py")
    }
    assert files - {"--init--"} == set(OWN)


def test_the_registry_adds_its_commands():
    assert {"heads", "promote", "rollback", "lineage"} <= set(commands()) - set(OWN)


@pytest.mark.parametrize("command", commands())
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    _, example = re.split("Examples?:", capsys.readouterr().out, maxsplit=1, flags=re.IGNORECASE)
    assert f"ojala {command}" in example


def test_every_number_of_the_sky_is_an_option_of_its_command():
    numbers = {field.name for field in fields(SkyConfig) if not field.name.endswith("_mix")}
    assert set(simulate.OPTIONS) == numbers


def test_the_help_of_mocks_has_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["mocks", "--help"])
    assert "ojala mocks data/dr1 --out mocks.parquet" in capsys.readouterr().out


def test_the_command_is_light_to_start():
    heavy = "{'numpy', 'astropy', 'torch'}"
    code = f"import sys, ojala.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_mocks_prints_what_it_made(tmp_path, capsys):
    out = tmp_path / "mocks.parquet"
    write_pair(tmp_path, [1, 2, 3], fibermap={"OBJTYPE": np.array(["TGT", "SKY", "TGT"])})
    assert main(["mocks", str(tmp_path), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "2 of 3 spectra" in printed and "1 sky fibre" in printed
    assert "synthetic r minus r in the fibre: median -0.27" in printed
    assert {"mocks.parquet", "mocks_rejects.parquet"} <= set(listing(tmp_path))


def test_mocks_of_the_real_files(tmp_path, capsys):
    (tmp_path / "desi").mkdir()
    directory, out = real_directory(tmp_path / "desi"), tmp_path / "out/mocks.parquet"
    assert main(["mocks", str(directory), "--out", str(out), "--workers", "2"]) == 0
    assert "5 of 12 spectra" in capsys.readouterr().out


def faulty(directory, fault):
    path = write_pair(directory, [1, 2, 3])
    if fault == "cut off":
        path.write_bytes(path.read_bytes()[:150_000])
    elif fault == "not FITS":
        path.write_text("no FITS at all")
    elif fault == "redrock":
        path.with_name("redrock-main-dark-7.fits").write_bytes(b"SIMPLE  = nothing")
    elif fault == "no coadds":
        path.unlink()
    elif fault == "twice":
        write_pair(directory, [3, 4], healpix=8)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("cut off", "coadd-main-dark-7.fits"),
        ("not FITS", "coadd-main-dark-7.fits"),
        ("redrock", "redrock-main-dark-7.fits"),
        ("no coadds", "no DESI coadds"),
        ("twice", "TARGETID 3 comes twice in main/dark"),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_fault_is_one_sentence_and_leaves_nothing_behind(tmp_path, capsys, fault, said, workers):
    (tmp_path / "desi").mkdir()
    faulty(tmp_path / "desi", fault)
    out = tmp_path / "out"
    out.mkdir()
    code = main(
        ["mocks", str(tmp_path / "desi"), "--out", f"{out}/m.parquet", "--workers", workers]
    )
    printed = capsys.readouterr()
    assert code == 1 and printed.out == ""
    assert said in printed.err and printed.err.count("\n") == 1
    assert printed.err.startswith("ojala mocks: ") and "Traceback" not in printed.err
    assert listing(out) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "x.csv"], "--out is x.csv, expected a file *.parquet or a directory of shards"),
        (["--out", "x.parquet", "--workers", "0"], "--workers is 0, expected 1 or more"),
    ],
)
def test_an_option_of_mocks_without_sense_is_said(tmp_path, capsys, monkeypatch, options, said):
    write_pair(tmp_path / "desi", [1, 2])
    monkeypatch.chdir(tmp_path)
    assert main(["mocks", "desi", *options]) == 1
    assert capsys.readouterr().err.strip() == f"ojala mocks: {said}"
    assert listing(tmp_path) == ["desi"]


def test_downloads_without_workers_are_said(tmp_path, capsys):
    words = ["fetch-desi", "--healpix", "27247", "--out", str(tmp_path / "desi"), "--workers", "0"]
    assert main(words) == 1
    assert "--workers is 0, expected 1 or more" in capsys.readouterr().err
    assert listing(tmp_path) == []


def test_an_empty_or_absent_directory_is_said(tmp_path, capsys):
    for directory, said in ((tmp_path, "no DESI coadds"), (tmp_path / "none", "no such directory")):
        assert main(["mocks", str(directory), "--out", str(tmp_path / "m.parquet")]) == 1
        assert said in capsys.readouterr().err
    assert listing(tmp_path) == []
