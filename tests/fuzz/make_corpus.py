#!/usr/bin/python3
"""Makes the first inputs of every fuzz target from honest files and messages: make_corpus.py [FOLDER]

Fuzzing starts from them (./dev fuzz), so that it need not find a format's structure by itself. What it finds is added
beside them, by hand, when it reaches something new. The names start with seed-, and the bytes are always the same.
"""
import gzip
import hashlib
import io
import json
import pathlib
import re
import sqlite3
import struct
import sys
import tempfile
import zipfile

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(tag, value):
    return varint(tag << 3) + varint(value)


def text(tag, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(tag << 3 | 2) + varint(len(value)) + value


def chunk(offset, data):
    return number(2, offset) + text(15, data)


def idx(code, array):
    kind = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}[code]
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(kind).tobytes()


def npy(array):
    out = io.BytesIO()
    numpy.save(out, array)
    return out.getvalue()


def npz(deflate, **arrays):
    out = io.BytesIO()
    packing = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(name + ".npy"), npy(array), packing)
    return out.getvalue()


def safetensors(tensors, metadata=None):
    header, data = ({"__metadata__": metadata} if metadata else {}), b""
    for name, (kind, array) in tensors.items():
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    words = json.dumps(header).encode()
    return struct.pack("<Q", len(words)) + words + data


def arrays_idx():
    pixels = numpy.arange(48).reshape(4, 3, 4)
    labels = numpy.array([0, 1, 2, 1])
    for code in (8, 9, 11, 12, 13, 14):
        yield f"features-{code}", idx(code, pixels)
        yield f"labels-{code}", idx(code, labels)
    yield "gzip", gzip.compress(idx(8, pixels), mtime=0)
    yield "flat", idx(8, pixels.reshape(4, 12))


def arrays_npy():
    values = numpy.arange(8).reshape(4, 2)
    for kind in ("<f4", ">f4", "<f8", "<f2", "|u1", "<i8", "|b1"):
        yield "features-" + kind[1:] + ("-big" if kind[0] == ">" else ""), npy(values.astype(kind))
    yield "fortran", npy(numpy.asfortranarray(values.astype("<f4")))
    yield "labels", npy(numpy.array([0, 1, 1, 2], "<i4"))
    yield "labels-column", npy(numpy.array([[0], [1], [1], [2]], "<i8"))


def arrays_npz():
    features, labels = numpy.arange(8, dtype="<f4").reshape(4, 2), numpy.array([0, 1, 1, 0], "<i4")
    yield "stored", npz(False, features=features, labels=labels)
    yield "deflated", npz(True, features=features, labels=labels)
    yield "other-names", npz(True, x=features, y=labels)


def tables():
    yield "plain", b"a,b,label\n1,2,x\n3,4,y\n5,6,x\n"
    yield "quoted", b'a,b,label\r\n"1","2.5e3","x, ""y"""\r\n3,,y\r\n\r\n4,-1,y\r\n'
    yield "numbers", b"0;1.5;2\n1;2.5;3\n1;NA;4\n"
    yield "mark", b"\xef\xbb\xbflabel,a\n0,1\n1,2\n"
    yield "values", b"1,2,3,4\n5,6,7,8\n9,10,11,12\n"


def weights():
    one = numpy.arange(6, dtype="<f4").reshape(2, 3)
    yield "two", safetensors({"0.weight": ("F32", one), "0.bias": ("F32", one[0].copy())}, {"format": "pt"})
    yield "half", safetensors({"w": ("F16", one.astype("<f2"))})
    yield "brain", safetensors({"w": ("BF16", numpy.array([[0x3F80, 0xC000]], "<u2"))})
    yield "double", safetensors({"w": ("F64", one.astype("<f8"))})
    yield "none", safetensors({})


def yaml_texts():
    yield "words", b"a: 1\nb: [x, 'y', \"z\\n\"]\nc: {d: null, e: ~}\n"
    yield "set", b"a.b.0.c\n[1, {d: e}]"
    yield "block", b"a: |\n  text\n  more\nb:\n- 1\n- - 2\n  - 3\n"
    yield "refused", b"a: &x 1\nb: *x\n"


def experiments():
    for path in sorted((ROOT / "config/experiments").glob("*.yaml")):
        lines = [line.split(" #")[0].rstrip() for line in path.read_text().split("\n")]
        content = "\n".join(line for line in lines if line and not line.startswith("#")).encode() + b"\n"
        yield path.stem, content
        if path.stem == "digits-fedavg":
            newer = content + b"newer: {a: [1]}\n\0"
            yield "newer-release", newer + b"training.batch_size\nnewer\nmodel.layers.0.bias\n"
            yield "older-release", newer + b"training.batch_size\n\x000.0.1\x1b[31m"
            yield "unknown-release", newer + b"newer\nnewer.a\nnewer.a.0\nevaluation\n\0"


def summary_header():
    return text(1, text(1, "digits") + number(2, 1) + text(3, "learner-1") + number(4, 7) + number(9, 10))


def chunks():
    data = bytes(range(64))
    for cut in (0, 1, 3, 7):
        yield f"chunk-cut-{cut}", bytes([cut]) + chunk(0, data)
    yield "header", b"\x05" + summary_header() + chunk(16, data[:33])
    yield "twice", b"\x00" + chunk(0, b"abcd") + chunk(4, b"efgh")
    yield "late-offset", b"\x00" + text(15, b"abcd") + number(2, 4)


def summaries():
    n = 96
    values = numpy.linspace(0, 1, n).astype("<f4").tobytes()
    sums = (numpy.linspace(0, 1, n) * 2**36).astype("<i8").tobytes()
    member = text(3, text(1, "learner-1") + number(2, 7) + number(3, 10))

    def stream(*messages):
        return b"".join(struct.pack("<H", len(one)) + one for one in messages)

    for kind in range(4):
        yield f"plain-{kind}", bytes([kind, 0]) + stream(summary_header(), chunk(0, values[:200]), chunk(200, values[200:]))
    yield "one-message", bytes([1, 5]) + stream(summary_header() + chunk(0, values))
    for kind in (4, 5):
        yield f"sums-{kind}", bytes([kind, 9]) + stream(summary_header() + member * 3, chunk(0, sums))
    for kind in range(6, 16):
        for length in (24, 48, 96, 192):
            if length in (48, 96):
                yield f"coded-{kind}-{length}", bytes([kind, 0]) + stream(summary_header() + chunk(0, bytes(range(1, length + 1))))


def codecs():
    for codec in range(12):
        yield f"small-{codec}", bytes([codec, 9]) + bytes(range(40))
        yield f"model-{codec}", bytes([codec, 160]) + bytes(300)


def messages():
    for kind in range(30):
        body = text(1, "digits-1") + number(2, 3)
        if kind in (11, 22):
            body = b"".join(text(tag, text(1, "learner-1") + number(2, 5)) for tag in range(1, 9))
        yield f"kind-{kind}", bytes([kind, 3]) + body
    yield "predict", bytes([16, 0]) + text(1, "digits") + text(3, struct.pack("<4f", 1, 2, 3, 4))


def reflections():
    yield "list", b"\x00" + text(1, "host") + text(7, "")
    for name in ("cohort/v1/types.proto", "cohort/v1/coordinator.proto", "grpc/health/v1/health.proto"):
        yield "file-" + name.split("/")[-1], b"\x02" + text(3, name)
    for name in ("cohort.v1.Exchange", "cohort.v1.Exchange.Attend", "grpc.health.v1.Health", "cohort.v1.Experiment.state"):
        yield "symbol-" + name, b"\x00" + text(4, name)
    yield "extension", b"\x00" + text(5, text(1, "cohort.v1.Experiment") + number(2, 1))


def addresses():
    for i, address in enumerate(["127.0.0.1:7070", "[::1]:7070", "coordinator.cohort:0", "unix:/tmp/x", "a:65536", "[::]:", ":1"]):
        yield str(i), address.encode()


def der(tag, *parts):
    content = b"".join(parts)
    assert len(content) < 128
    return bytes([tag, len(content)]) + content


def certificates():
    """The alternative names of good and strange certificates; text and DER that are none."""
    uri, dns = lambda text: der(0x86, text), lambda text: der(0x82, text)
    for name, rows in (
        ("learner", [dns(b"localhost"), uri(b"cohort:learner/site-a"), der(0x87, bytes([127, 0, 0, 1]))]),
        ("star", [uri(b"cohort:learner/ward-*")]),
        ("two", [uri(b"cohort:user/a"), uri(b"cohort:learner/b")]),
        ("nul", [uri(b"cohort:user/a\0b")]),
        ("other", [uri(b"https://example.org/"), uri(b"cohort:relay/hall")]),
        ("none", []),
    ):
        yield f"names-{name}", b"\x02" + der(0x30, *rows)
    yield "text", b"\x00-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    yield "authorities", b"\x03-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    yield "der", b"\x01" + der(0x30, der(0x30, der(0xA0, der(0x02, b"\2")), der(0x02, b"\1")), der(0x03, b"\0"))


def records():
    line = {"round": 0, "summaries": 0, "weight": 0, "inputs": "a" * 64, "model": "0" * 64, "state": "0" * 64, "previous": "0" * 64}
    body = json.dumps(line, separators=(",", ":"))[:-1]
    whole = f'{body},"hash":"{hashlib.sha256(body.encode()).hexdigest()}"}}'.encode()
    yield "line", b"\x00" + whole
    yield "changed", b"\x00" + whole.replace(b'"round":0', b'"round":1')
    yield "short", b"\x00" + whole[:200]
    yield "fields", b"\x01" + bytes(range(1, 177))
    yield "file", b"\x02" + whole + b"\n"
    yield "after-one", b"\x03" + whole + b"\n"
    yield "after-four", b"\xc3" + whole[:100]


SCHEMA = re.search(r"schema\[\] =\n(.*?);\n\n", (ROOT / "lib/store/journal.c").read_text(), re.S)[1]
TINY = "name: tiny\nmodel: {layers: [dense: {units: 3}], loss: cross_entropy}\ncollaboration: {algorithm: fedavg, learners: 2, rounds: 9}\n"
DATA = number(1, 4) + number(2, 3) + number(4, 20)  # a DataSignature


def journal_rows(outcome=-1, data=DATA, more=""):
    blob = f"x'{data.hex()}'" if data else "null"
    yield f"insert into experiments values(null,'tiny','r','{TINY}',1700000000000,{outcome},0,'',{blob});"
    for slot in range(2):
        yield f"insert into slots values('tiny',{slot},'site-{slot}',{10 + slot},1);"
    yield f"insert into rounds values('tiny',0,0,sealed(0,0,0),'');{more}"


def journals():
    notes = "means 0x1p-1 0x1p-2 nan\nstop 1 0x1p-1 2\ndigest 0123456789abcdef\nholds 0 2 7\nholds 1 2 9\n"
    third = f"insert into rounds values('tiny',3,1,sealed(3,2,21),'{notes}');"
    yield "running", b"\x01" + "".join(journal_rows()).encode()
    yield "later", b"\x01" + "".join(journal_rows(more=third)).encode()
    yield "waiting", b"\x01" + next(journal_rows(data=b"")).encode()
    yield "peers", b"\x01" + "".join(journal_rows(more=third)).replace("rounds: 9", "rounds: 9, topology: ring").encode()
    for outcome in range(4):
        yield f"over-{outcome}", b"\x01" + "".join(journal_rows(outcome, more=third)).encode()
    yield "trigger", b"\x01create trigger t after update on meta begin delete from experiments; end;"
    yield "view", b"\x01drop table slots;create view slots as select 'tiny' id,0 slot,'a' name,1 weight,1 member;" + "".join(journal_rows()).encode()
    yield "other-version", b"\x01update meta set version=2;"
    yield "file", b"\x00" + journal_file()


def journal_file():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "journal.db")
        database = sqlite3.connect(path)
        database.executescript("pragma page_size = 512;" + "".join(re.findall(r'"(.*?)"', SCHEMA)))
        database.create_function("sealed", 3, lambda *_: "")
        for row in journal_rows():
            database.execute(row)
        database.commit()
        database.close()
        content = path.read_bytes()
    return len(content).to_bytes(3, "big") + content


def requests():
    for name, text in (
        ("get", "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        ("two", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nHEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("old", "GET /metrics HTTP/1.0\r\n\r\n"),
        ("escaped", "GET /%6detrics?a=%00&b HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("elsewhere", "GET /../metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\n\r\n"),
        ("post", "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
        ("chunked", "PUT /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("expect", "POST /metrics HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
        ("short", "GET /met"),
    ):
        yield name, b"\x00" + text.encode()
    for name in ("site-a", 'a"b\\c\nd', "ü\x00x"):
        yield f"label-{len(name)}", b"\x01" + name.encode()


def given_models():
    """Which codec; then what, round and differences, how many bytes, and the bytes."""
    for codec in range(7):
        plain, coded = bytes([2, 0, 60]) + bytes(range(60)), bytes([3, 0, 20]) + bytes(range(1, 21))
        yield f"first-{codec}", bytes([codec]) + coded
        yield f"plain-{codec}", bytes([codec]) + plain
        # "a" of round 0, "b" of round 1, which differs from it, and "c" of round 3, which differs from that twice
        steps = bytes([7, 16 + 1, 9]) + bytes(9) + bytes([3 | 2 << 2 | 1 << 4, 32 + 3, 18]) + bytes(range(18))
        yield f"differences-{codec}", bytes([codec]) + coded + steps


def exchanges():
    """Which exchange and how messages are cut; then steps, numbered as in fuzz_peers.c."""
    call, arrive, piece, raw, end, go, begin, cancel, hand, close, late, door, on = range(13)
    header_lies, piece_lies = range(12), range(8)
    for setting, neighbours in ((0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (5, 1), (6, 3), (254, 1), (255, 2)):
        calls = b"".join(bytes([call, i, 0, 0]) for i in range(neighbours))
        yield f"honest-{setting}", bytes([setting, 0, begin]) + calls + bytes([on]) * 24 + bytes([go, 0, close, 0, 0])
        yield f"early-{setting}", bytes([setting, 7]) + calls + bytes([begin]) + bytes([on]) * 3 + bytes([late, cancel])
        for lie in piece_lies:
            wrong = bytes([piece, 0, lie, 13 if lie == 6 else 4])
            yield f"chunk-{setting}-{lie}", bytes([setting, 5, begin]) + calls + bytes([on]) * 2 + wrong + bytes([end, 0, cancel])
    for lie in header_lies:
        yield f"header-{lie}", bytes([4, 3, call, 0, lie, 1, begin, call, 1, lie, 255, call, 1, 0, 0, call, 1, 0, 0])
    yield "crowd", bytes([3, 0]) + bytes([call, 0, 1, 1]) * 258 + bytes([begin, door])
    yield "large", bytes([5, 0, begin, call, 0, 0, 0]) + bytes([hand, 0, hand, 0, piece, 0, 7, 10]) * 5
    yield "ahead", bytes([4, 0, begin, call, 0, 0, 0, call, 1, 0, 0]) + bytes([hand, 0, piece, 1, 0, 0]) * 7 + bytes([on]) * 9
    yield "old", bytes([0, 0, begin, cancel, close, 0, 14, begin, call, 0, 2, 255, call, 0, 1, 255, call, 0, 0, 0])
    yield "gone", bytes([1, 0, begin, call, 0, 0, 0, on, go, 0, begin, cancel, close, 0, 14, begin])
    yield "raw", bytes([3, 9, begin, arrive, raw, 0, 8]) + text(3, "self") + text(1, b"") + bytes([call, 0, 0, 0, raw, 0, 165]) + chunk(0, bytes(160))


def states():
    for trial, lengths in enumerate(("60 0 60 0", "60 60 24 1", "0 60 19 1", "60 0 120 0")):
        line = f"3 {'a' * 16} {lengths} 20 0x1p-1 0x1p-2 0x1p+0 nan\n".encode()
        yield f"whole-{trial}", bytes([trial, 1]) + line + struct.pack("<15f", *range(15))
        yield f"other-{trial}", bytes([trial, 0]) + b"cohort-learner-state 2 " + b"0" * 64 + b" " + line


def spools():
    for name, digest in (("known", "5" * 64), ("unknown", "-"), ("short", "55")):
        header = f"cohort-upload 1 3 site-a int8 20 300 {digest}\n".encode()
        yield name, header + bytes(512 - len(header)) + bytes(range(100))
        yield f"{name}-more", header + bytes(512 - len(header)) + bytes(301)


def tokens():
    shown = b"cohort.0123456789ab." + b"5" * 64
    digest = hashlib.sha256(shown).hexdigest().encode()
    for name, row in (
        ("good", b"0123456789ab learner ward-* 1 0 0 " + digest),
        ("user", b"0123456789ab user alice 1 1800000000 0 " + digest),
        ("expired", b"0123456789ab user alice 1 2 0 " + digest),
        ("revoked", b"0123456789ab reader eve 1 0 5 " + digest),
        ("damaged", b"0123456789ab reader eve 1 0 " + digest),
    ):
        yield name, b"\x00" + shown + b"\n" + row + b"\n"
        yield f"{name}-beside", b"\x01" + shown + b"\n" + row + b"\n"


TARGETS = {
    "address": addresses,
    "certificate": certificates,
    "chunks": chunks,
    "codecs": codecs,
    "csv": tables,
    "experiment": experiments,
    "http": requests,
    "idx": arrays_idx,
    "journal": journals,
    "messages": messages,
    "models": given_models,
    "npy": arrays_npy,
    "npz": arrays_npz,
    "peers": exchanges,
    "records": records,
    "reflection": reflections,
    "safetensors": weights,
    "spool": spools,
    "state": states,
    "summary": summaries,
    "tokens": tokens,
    "yaml": yaml_texts,
}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "corpus"
    for target, make in TARGETS.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, data in make():
            (folder / target / f"seed-{name}").write_bytes(data)


main()
