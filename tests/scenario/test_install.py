# SPDX-License-Identifier: BSD-3-Clause
"""`make install` puts everything where it belongs, below DESTDIR, and nothing elsewhere."""
import os
import shutil

import pytest

import harness

WANTED = """
	bin/weft bin/weftd
	include/weft/weft.h
	lib/*/libweft.a lib/*/pkgconfig/weft.pc
	lib/systemd/system/weftd.service lib/sysusers.d/weft.conf
	share/man/man1/weft.1 share/man/man8/weftd.8 share/man/man5/weft.yaml.5
	share/bash-completion/completions/weft share/zsh/site-functions/_weft
	share/weft/yang/weft.yang
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
	root = tmp_path_factory.mktemp("root")
	harness.run("meson", "install", "-C", harness.BUILD, "--no-rebuild", "--quiet", "--destdir", root)
	return root / "usr/local"


@pytest.mark.parametrize("path", WANTED.split())
def test_file_is_installed(installed, path):
	assert [found for found in installed.glob(path) if found.stat().st_size > 0]


def test_programs_run(installed):
	for program in ("weft", "weftd"):
		assert "0.1.0" in harness.run(installed / "bin" / program, "--version").stdout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not there")
def test_unit_is_right(installed, tmp_path):
	unit = (installed / "lib/systemd/system/weftd.service").read_text()
	assert "ExecStart=/usr/local/bin/weftd" in unit
	# verify looks at the program and the manual page: neither is below / here
	unit = unit.replace("/usr/local", str(installed)).replace("man:weftd(8)", "https://localhost/")
	(tmp_path / "weftd.service").write_text(unit)
	done = harness.run("systemd-analyze", "verify", tmp_path / "weftd.service", check=False)
	assert done.returncode == 0 and "weftd.service" not in done.stderr, done.stderr


def test_a_program_builds_against_it(installed, tmp_path):
	"""With what pkg-config says and nothing of the source tree."""
	source = tmp_path / "embed.c"
	shutil.copy(harness.ROOT / "examples/embed.c", source)
	package = next(installed.glob("lib/*/pkgconfig/weft.pc")).read_text()
	# it names /usr/local, where it would be without DESTDIR
	(tmp_path / "weft.pc").write_text(package.replace("prefix=/usr/local", f"prefix={installed}", 1))
	env = {**os.environ, "PKG_CONFIG_PATH": str(tmp_path)}
	flags = harness.run("pkg-config", "--static", "--cflags", "--libs", "weft",
		env=env).stdout.split()
	harness.run("cc", source, "-o", tmp_path / "embed", *flags)
	assert harness.run(tmp_path / "embed").returncode == 0
