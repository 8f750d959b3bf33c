"""The packages as files: what lintian says, what they hold, what their programs are linked with."""
import glob
import gzip
import json
import os
import re
import subprocess

import pytest

import packaged
from packaged import DEBS, PACKAGES, output_of

TREE = os.path.join(DEBS, "dht")
OBJECTS = glob.glob(os.path.join(TREE, "obj-*"))[0]
PROGRAMS = {"dht-node": "usr/bin/dht-node", "dhtctl": "usr/bin/dhtctl"}
# Of Debian's packages, and not `meson install`'s.
DEBIAN = r"etc/dht-node/dht-node\.conf|usr/share/lintian/overrides/.*|" \
         r"usr/share/doc/[^/]+/(copyright|changelog\.gz|[^/]+\.cdx\.json)"


def files_of(folder):
    return {os.path.relpath(os.path.join(where, name), folder)
            for where, _, names in os.walk(folder) for name in names}


def plain(paths):
    """Without what is compressed in one and not in the other."""
    return {path.removesuffix(".gz") if "/doc/" not in path or not path.endswith("changelog.gz") else path
            for path in paths}


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    return gzip.decompress(data) if str(path).endswith(".gz") else data


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """{package: folder}"""
    folders = {package: tmp_path_factory.mktemp(package) for package in PACKAGES}
    for package, folder in folders.items():
        output_of("dpkg-deb", "--extract", packaged.deb(package), folder)
    return folders


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `meson install` puts under a prefix of /usr."""
    folder = tmp_path_factory.mktemp("installed")
    output_of("meson", "install", "-C", OBJECTS, "--no-rebuild", "--destdir", folder)
    return folder


def field(package, name):
    return output_of("dpkg-deb", "--field", packaged.deb(package), name).strip()


# ---- as Debian wants them ----

def lintian(path):
    done = subprocess.run(["lintian", "--allow-root", "--display-info", "--pedantic", "--tag-display-limit=0", path],
                          capture_output=True, text=True)
    return done.stdout + done.stderr


def test_lintian_has_nothing_to_say():
    assert lintian(glob.glob(os.path.join(DEBS, "*.changes"))[0]) == ""


def test_lintian_sees_what_is_wrong(tmp_path):
    root = tmp_path / "root"
    output_of("dpkg-deb", "--raw-extract", packaged.deb("dhtctl"), root)
    os.unlink(root / "usr/share/man/man1/dhtctl.1.gz")
    output_of("dpkg-deb", "--root-owner-group", "-Znone", "--build", root, tmp_path)
    assert "no-manual-page" in lintian(packaged.deb("dhtctl", tmp_path))


def test_version_is_the_projects():
    with open(os.path.join(TREE, "meson.build")) as f:
        version = re.search(r"(?m)^  version: '(.+)',$", f.read())[1]
    assert {field(package, "Version") for package in PACKAGES} == {version}


def test_what_they_depend_on():
    depends = {package: set(re.findall(r"(?:^|, )([a-z0-9.+-]+)", field(package, "Depends"))) for package in PACKAGES}
    for package in PACKAGES:
        assert {"libc6", "libcbor0.8", "libmosquitto1"} <= depends[package]
    assert {"libsystemd0", "systemd"} <= depends["dht-node"]
    assert field("dhtctl", "Recommends") == "libsystemd0"
    assert not {"systemd", "dht-node"} & depends["dhtctl"]


def test_one_file_is_for_its_reader_to_change(unpacked, tmp_path):
    for package, expected in (("dht-node", "/etc/dht-node/dht-node.conf\n"), ("dhtctl", None)):
        folder = tmp_path / package
        output_of("dpkg-deb", "--control", packaged.deb(package), folder)
        path = folder / "conffiles"
        assert (path.read_text() if path.exists() else None) == expected
    etc = unpacked["dht-node"] / "etc/dht-node/dht-node.conf"
    assert read(str(etc)) == read(str(unpacked["dht-node"] / "usr/share/doc/dht-node/examples/dht-node.conf"))


# ---- what they hold ----

def test_meson_install_puts_the_same_files(unpacked, installed):
    held = [(folder, path) for folder in unpacked.values() for path in files_of(folder)]
    ours = {plain([path]).pop(): os.path.join(folder, path) for folder, path in held
            if not re.fullmatch(DEBIAN, path) and not re.fullmatch(DEBIAN, path.removesuffix(".gz"))}
    theirs = {path: os.path.join(installed, path) for path in files_of(installed)}
    assert set(ours) == set(theirs) and len(ours) >= 18
    for path in ours:
        if path not in PROGRAMS.values():  # theirs have their symbols
            assert read(ours[path]) == read(theirs[path]), path


def test_no_file_knows_where_it_was_made(unpacked):
    for folder in unpacked.values():
        for path in files_of(folder):
            assert DEBS.encode() not in read(os.path.join(folder, path)), path


@pytest.mark.parametrize("page", ["man1/dhtctl.1", "man5/dht-node.conf.5", "man7/dht-node.catalog.7", "man8/dht-node.8"])
def test_manual_page(installed, page):
    """man, groff and mandoc have nothing to say, and what a page refers to is there."""
    path = os.path.join(installed, "usr/share/man", page)
    for command in (["man", "--warnings", "--encoding=UTF-8", "--troff-device=utf8", "--ditroff", "--local-file", path],
                    ["mandoc", "-T", "lint", "-W", "warning", path]):
        done = subprocess.run(command, capture_output=True, text=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"})
        said = done.stderr if command[0] == "man" else done.stdout + done.stderr
        assert (done.returncode, said) == (0, ""), command
    with open(path) as f:
        seen = re.findall(r"(?m)^\.BR (dht\S*) \((\d)\)", f.read())
    there = {os.path.basename(p) for p in files_of(os.path.join(installed, "usr/share/man"))}
    assert {f"{name}.{section}".replace("\\-", "-") for name, section in seen} <= there and seen


# ---- what they are made of ----

def materials(folder, package):
    path = next(os.path.join(folder, p) for p in files_of(folder) if f"{package}.cdx.json" in p)
    return json.loads(read(path))


def owners(paths):
    """Packages that have these files; dpkg knows the loader's /lib as /usr/lib, or the other way round."""
    candidates = {path: path for path in paths} | {"/usr" + path: path for path in paths}
    done = subprocess.run(["dpkg-query", "-S", *candidates], capture_output=True, text=True)
    found = re.findall(r"(?m)^([a-z0-9.+-]+)\S*: (/.*)$", done.stdout)
    assert {candidates[path] for _, path in found} == set(paths), done.stderr
    return {package for package, _ in found}


@pytest.fixture(scope="module")
def headers():
    """Packages whose headers the compiler has read for what is installed."""
    text = output_of("ninja", "-C", OBJECTS, "-t", "deps")
    return owners(set(re.findall(r"(?m)^    (/usr/include/\S+\.h)$", text)))


@pytest.mark.parametrize("package", PACKAGES)
def test_bill_of_materials(unpacked, headers, package):
    """Whatever the loader says is there, with the version of the machine; so is what is loaded later or compiled in."""
    bill = materials(unpacked[package], package)
    listed = {c["name"]: c for c in bill["components"]}
    how = {name: c["properties"][0]["value"] for name, c in listed.items()}
    text = output_of("ldd", unpacked[package] / PROGRAMS[package])
    linked = owners(set(re.findall(r"(/\S+) \(0x", text)))
    assert len(linked) >= 5 and {name for name in how if how[name] == "linked"} == linked
    # names that the program has and the loader does not ask for: those it loads itself
    names = {name.decode() for name in re.findall(rb"\blib[\w+-]+\.so\.\d+", read(unpacked[package] / PROGRAMS[package]))}
    loaded = [line.rpartition(" => ")[2] for line in output_of("/sbin/ldconfig", "-p").splitlines()
              if line.split()[0] in names - set(re.findall(r"(lib\S+\.so\.\d+)", text))]
    assert loaded and all(how[name] == "loaded" for name in owners(loaded))
    # whose headers were read, and whose library is neither linked nor loaded
    devs = {"libc6-dev", "linux-libc-dev", "libcbor-dev", "libevent-dev", "liblmdb-dev", "libmosquitto-dev", "libssl-dev",
            "libsystemd-dev"}
    assert {name for name in how if how[name] == "contained"} == headers - devs
    for name, c in listed.items():
        version = output_of("dpkg-query", "-W", "-f", "${Version}\n", name).split()[0]
        assert c["version"] == version and c["licenses"][0]["expression"], name
    assert bill["metadata"]["component"]["version"] == field(package, "Version")
    refs = {c["bom-ref"] for c in bill["components"]} | {package}
    assert {d["ref"] for d in bill["dependencies"]} == refs
    assert all(set(d["dependsOn"]) <= refs for d in bill["dependencies"])


def test_a_licence_that_it_does_not_know_is_an_error(tmp_path):
    """base-files has no word of a licence that SPDX knows."""
    done = subprocess.run([os.path.join(TREE, "debian/sbom"), "x", "/bin/true", "--contains", "base-files"],
                          capture_output=True, text=True, cwd=TREE)
    assert done.returncode == 1 and done.stdout == "" and "base-files" in done.stderr


def test_licences_of_what_binaries_contain(unpacked):
    """Whose code is in the binaries, his notice goes with them."""
    for folder in unpacked.values():
        text = read(next(os.path.join(folder, p) for p in files_of(folder) if p.endswith("/copyright"))).decode()
        assert "Yann Collet" in text and "Redistributions in binary form" in text and "uthash.h" in text
