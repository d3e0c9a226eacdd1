"""The AWS SDKs, for Python and for JavaScript, with keys that open nothing:
what they send and get is whole, by their own checksums and by the store's."""

import json
import os

import pytest

from lib.clients import EGRESS, NODE_MODULES, PYTHON, TOKEN, need, run, url
from lib.coded import pack
from lib.s3 import ObjectStore, crc32

MIB = 1 << 20
SIZE = 18 * MIB + 11  # three parts of 8 MiB, the last a short one
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "placeholder",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}

BOTO = """
import io, json, sys, boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, FlexibleChecksumError

s3 = boto3.client("s3", endpoint_url=sys.argv[1],
    config=Config(s3={"addressing_style": "path"},
                  retries={"total_max_attempts": 1}))
size = 8 << 20
parts = TransferConfig(multipart_threshold=size, multipart_chunksize=size,
                       max_concurrency=4)
STREAMED = b"some " + b"data " * 20000
out = {}
def refusal(call, **what):
    try:
        call(**{"Bucket": "b", **what})["Body"].read()
    except ClientError as e:
        return e.response["Error"]["Code"]
    except FlexibleChecksumError:
        return "Checksum mismatch"
"""
BOTO_SMALL = BOTO + """
s3.put_object(Bucket="b", Key="plain", Body=b"0123456789",
              Metadata={"owner": "a tester"}, ContentType="text/plain")
s3.put_object(Bucket="b", Key="streamed", Body=io.BytesIO(STREAMED),
              ChecksumAlgorithm="CRC32")
got = s3.get_object(Bucket="b", Key="streamed", ChecksumMode="ENABLED")
out["streamed"] = len(got["Body"].read())
head = s3.head_object(Bucket="b", Key="plain")
out["head"] = [head["ContentLength"], head["Metadata"], head["ContentType"]]
for name in ("bytes=2-5", "bytes=-3", "bytes=8-"):
    got = s3.get_object(Bucket="b", Key="plain", Range=name)
    out[name] = [got["Body"].read().decode(), got["ContentRange"]]
out["same"] = refusal(s3.get_object, Key="plain", IfNoneMatch=head["ETag"])
out["past"] = refusal(s3.get_object, Key="plain", Range="bytes=10-")
out["none"] = refusal(s3.get_object, Key="none")
out["no head"] = refusal(s3.head_object, Key="none")
out["locked"] = refusal(s3.put_object, Bucket="locked", Key="a",
                        Body=b"a" * 99999)
out["wrong"] = refusal(s3.get_object, Key="wrong", ChecksumMode="ENABLED")
print(json.dumps(out))
"""
BOTO_DOWNLOAD = BOTO + """
for name in sys.argv[2:]:
    s3.download_file("b", name, name, Config=parts)
"""
BOTO_LARGE = BOTO + """
s3.upload_file("large", "b", "large", Config=parts,
               ExtraArgs={"ChecksumAlgorithm": "CRC32"})
s3.download_file("b", "large", "back", Config=parts)
"""

# The agent is told of the proxy; checksums are what the SDK does by itself.
NODE = """
const fs = require('fs'), { Readable } = require('stream');
const { S3 } = require('@aws-sdk/client-s3');
const { Upload } = require('@aws-sdk/lib-storage');
const { HttpsProxyAgent } = require('https-proxy-agent');
const { NodeHttpHandler } = require('@smithy/node-http-handler');
const s3 = new S3({ endpoint: process.argv[1], forcePathStyle: true,
    maxAttempts: 1, requestHandler: new NodeHttpHandler({
        httpsAgent: new HttpsProxyAgent(process.env.https_proxy) }) });
const text = async (got) => await (await got).Body.transformToString();
const refusal = (call, what = 'name') => call.then(() => null, (e) => e[what]);
const out = {};
"""
NODE_SMALL = NODE + """
(async () => {
    const Bucket = 'b', plain = { Bucket, Key: 'plain' };
    await s3.putObject({ ...plain, Body: '0123456789',
        Metadata: { owner: 'a tester' }, ContentType: 'text/plain' });
    const streamed = Readable.from(['some ', 'data '.repeat(20000)]);
    await s3.putObject({ Bucket, Key: 'streamed', Body: streamed,
        ContentLength: 100005 });
    const back = await text(s3.getObject({ Bucket, Key: 'streamed' }));
    out.streamed = back.length;
    const head = await s3.headObject(plain);
    out.head = [head.ContentLength, head.Metadata, head.ContentType];
    for (const Range of ['bytes=2-5', 'bytes=-3', 'bytes=8-']) {
        const got = await s3.getObject({ ...plain, Range });
        out[Range] = [await text(got), got.ContentRange];
    }
    const again = s3.getObject({ ...plain, IfNoneMatch: head.ETag });
    out.same = (await refusal(again, '$metadata')).httpStatusCode;
    out.past = await refusal(s3.getObject({ ...plain, Range: 'bytes=10-' }));
    out.none = await refusal(s3.getObject({ Bucket, Key: 'none' }));
    const noHead = await refusal(s3.headObject({ Bucket, Key: 'none' }));
    out['no head'] = noHead === 'NotFound' ? '404' : noHead;
    out.locked = await refusal(s3.putObject({ Bucket: 'locked', Key: 'a',
        Body: 'a'.repeat(99999) }));
    const wrong = text(s3.getObject({ Bucket, Key: 'wrong' }));
    out.wrong = await refusal(wrong, 'message');
    console.log(JSON.stringify(out));
})();
"""
NODE_LARGE = NODE + """
(async () => {
    const large = { Bucket: 'b', Key: 'large' }, size = 8 << 20;
    await new Upload({ client: s3, queueSize: 4, partSize: size,
        params: { ...large, Body: fs.createReadStream('large') } }).done();
    const whole = (await s3.headObject(large)).ContentLength;
    const parts = [];
    for (let at = 0; at < whole; at += size) {
        const Range = `bytes=${at}-${at + size - 1}`;
        parts.push(s3.getObject({ ...large, Range })
            .then((got) => got.Body.transformToByteArray()));
    }
    fs.writeFileSync('back', Buffer.concat(await Promise.all(parts)));
})();
"""


@pytest.fixture
def store(origin):
    return ObjectStore(origin, TOKEN)


@pytest.fixture
def w(weir, store):
    return weir(egress=EGRESS, env={"TOKEN": TOKEN})


@pytest.fixture
def boto(w, origin):
    need(module="boto3")

    def start(code, *args):
        at = url(origin, "")
        return run(w, PYTHON, "-c", code, at, *args, env=KEYS)

    return start


@pytest.fixture
def node(w, origin):
    need("node", node="@aws-sdk/lib-storage")
    need(node="@aws-sdk/client-s3")

    def start(code):
        env = {**KEYS, "NODE_PATH": NODE_MODULES}
        return run(w, "node", "-e", code, url(origin, ""), env=env)

    return start


def assert_small(store, out, same):
    """What both do with small objects."""
    assert out.pop("wrong").startswith("Checksum mismatch")
    assert out == {
        "streamed": 100_005,
        "head": [10, {"owner": "a tester"}, "text/plain"],
        "bytes=2-5": ["2345", "bytes 2-5/10"],
        "bytes=-3": ["789", "bytes 7-9/10"],
        "bytes=8-": ["89", "bytes 8-9/10"],
        "same": same, "past": "InvalidRange", "none": "NoSuchKey",
        "no head": "404", "locked": "AccessDenied",
    }  # fmt: skip
    assert store.objects["/b/streamed"].body == b"some " + b"data " * 20_000
    assert store.coded == ["aws-chunked"], "one had its checksum behind it"


def test_boto(boto, store):
    """A request with a body waits to be let go on: of the one that was not,
    no byte was sent."""
    store.add("/b/wrong", b"what is there", crc=crc32(b"what was"))
    assert_small(store, json.loads(boto(BOTO_SMALL)), "304")
    puts = [r for r in store.requests if r.method == "PUT"]
    assert [r.all("expect") for r in puts] == [["100-continue"]] * 3
    assert store.unwanted == [b""]


def test_node(node, store):
    store.add("/b/wrong", b"what is there", crc=crc32(b"what was"))
    assert_small(store, json.loads(node(NODE_SMALL)), 304)


def assert_in_parts(w, store, code, run):
    """The file `large` came there in parts, each with a checksum, and came
    back in parts."""
    sent = os.urandom(SIZE)
    w.write("large", sent)
    run(code)
    with open(w.path("back"), "rb") as f:
        assert f.read() == sent
    assert store.objects["/b/large"].body == sent
    assert store.answered.count(("PUT", 200)) == 3
    assert store.answered.count(("GET", 206)) == 3
    puts = [r for r in store.requests if r.method == "PUT"]
    assert all(r.get("x-amz-checksum-crc32") for r in puts)


def test_boto_in_parts(boto, w, store):
    assert_in_parts(w, store, BOTO_LARGE, boto)
    assert store.coded == ["aws-chunked"] * 3


def test_node_in_parts(node, w, store):
    assert_in_parts(w, store, NODE_LARGE, node)


def assert_downloads(boto, w, store, *codings):
    for name in codings:
        fields = [("Content-Type", "text/plain"), ("Content-Encoding", name)]
        store.add(f"/b/{name}", pack("a line of a log\n" * 999), fields)
    boto(BOTO_DOWNLOAD, *codings)
    for name in codings:
        with open(w.path(name), "rb") as f:
            assert f.read() == store.objects[f"/b/{name}"].body


def test_boto_downloads_what_is_coded(boto, w, store):
    """Text that was put with a coding comes with it, asked for or not; some
    stores leave S3's own there."""
    assert_downloads(boto, w, store, "aws-chunked", "br")


@pytest.mark.egress("redact off;")
def test_boto_downloads_gzip_that_is_not_looked_through(boto, w, store):
    """Where it is, HEAD has no length, and download_file wants one."""
    assert_downloads(boto, w, store, "gzip")
