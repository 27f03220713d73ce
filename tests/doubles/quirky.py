"""A strict S3 server in memory with quirks by name: what servers of many makers do, each seen at one of them.

It checks what arrives: bodies against their checksums and the hash that was signed, names against the bucket, parts against
what was uploaded. With no quirks it does all that neuronbuild asks of a server.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import hashlib
import itertools
import re
import threading
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

BUCKET = "team"
HOST = "s3.quirky"
"""A name for the server; it is asked through as a proxy then, since no resolver knows it."""

REGION = "eu-west-1"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
NOT_IMPLEMENTED = "A header you provided implies functionality that is not implemented"
DENY = "User is not authorized to perform this with an explicit deny in a resource-based policy"
QUIRKS = {
    "no-checksums": "refuses checksum headers (Backblaze B2)",
    "no-checksums-501": "refuses checksum headers with 501, and names the header",
    "virtual-only": "takes the bucket in the host only (Aliyun OSS)",
    "virtual-only-cos": "takes the bucket in the host only, in other words (Tencent COS)",
    "kms-only": "demands SSE-KMS by policy",
    "no-conditions": "answers 501 to conditions",
    "no-conditions-400": "answers 400 to conditions",
    "ignores-conditions": "ignores conditions without a word",
    "public": "knows no keys, and takes no writes",
    "no-list": "lets nobody list, and so says 403 of what is missing (Amazon)",
    "no-read": "lets nobody read objects",
    "no-write": "takes no writes",
    "old-listing": "refuses ListObjectsV2",
    "older-listing": "takes ListObjectsV2 for ListObjects",
    "small-pages": "lists two at a time, and pages of nothing",
    "endless-listing": "lists the same page again and again",
    "foreign-keys": "lists what is outside the prefix as well",
    "no-tags": "gives no ETag",
    "other-tags": "gives another ETag for a GET than for a PUT",
    "no-dates": "gives no dates",
    "other-region": "wants requests signed for its region, and says which",
    "moved": "redirects to another region, whatever is asked",
    "skewed": "says that the clock is wrong",
    "slow-down": "asks the first three requests to slow down",
    "chunked": "gives no Content-Length",
    "no-ranges": "ignores ranges",
    "html": "is no S3 server, and answers with a page",
    "garbled": "is no S3 server, and answers with a text",
    "no-uploads-list": "can't list uploads in parts",
}


class RefusedError(Exception):
    """An answer with an error."""

    def __init__(self, status: int, code: str, message: str = "", more: str = "", **headers: str) -> None:
        self.status, self.code, self.message, self.more, self.headers = status, code, message, more, headers


@dataclass
class Stored:
    """An object: its bytes, when it was written, how it was encrypted, why it isn't handed out, if it isn't, and its class."""

    data: bytes
    written: float = field(default_factory=time.time)
    encryption: str | None = None
    refused: str = ""
    kind: str = ""

    @property
    def tag(self) -> str:
        return f'"{hashlib.md5(self.data).hexdigest()}"'


@dataclass
class Request:
    """What was asked: verb, key, query, headers in small letters, body."""

    verb: str
    host: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def makes_object(self) -> bool:
        """Whether it says how an object is encrypted."""
        return (self.verb == "PUT" and "partNumber" not in self.query) or (self.verb == "POST" and "uploads" in self.query)


@dataclass
class Upload:
    """An upload in parts."""

    key: str
    begun: float = field(default_factory=time.time)
    parts: dict[int, bytes] = field(default_factory=dict)


class Quirky:
    """What the server holds, what it was asked, and how it behaves."""

    def __init__(self, quirks: Iterable[str]) -> None:
        self.quirks = set(quirks)
        assert self.quirks <= set(QUIRKS), self.quirks
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Upload] = {}
        self.seen: list[Request] = []
        self.lock = threading.Lock()
        self.endpoint = ""
        self._numbers = itertools.count()

    def location(self, **options: object) -> str:
        """A place of one's own there, with what the location must say for these quirks."""
        endpoint = self.endpoint
        if {"virtual-only", "virtual-only-cos"} & self.quirks:
            endpoint = f"http://{HOST}"  # through the proxy that `environment` names
        if "kms-only" in self.quirks:
            options = {"sse": "aws:kms", **options}
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"s3://{BUCKET}/p{next(self._numbers)}?endpoint_url={endpoint}{more}"

    @property
    def environment(self) -> dict[str, str]:
        """What brings requests to its name here."""
        return {"HTTP_PROXY": self.endpoint, "http_proxy": self.endpoint, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

    def refuse(self, ending: str, code: str) -> None:
        """From now on, don't hand out objects whose names end so: they were archived, or encrypted with a key of others."""
        for key, stored in self.objects.items():
            if key.endswith(ending):
                stored.refused = code

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        with self.lock:
            self.seen.append(request)
            self._check_access(request)
            self._check_server(request)
            self._check_body(request)
            if request.bucket != BUCKET:
                raise RefusedError(404, "NoSuchBucket", "The specified bucket does not exist")
            return getattr(self, f"_{request.verb.lower()}")(request)

    def _check_access(self, request: Request) -> None:
        signed = request.headers.get("authorization", "")
        if "html" in self.quirks:
            page = "<html><body>Sign in \x85to the\nguest network</body></html>"
            raise RefusedError(200, "", page, **{"Content-Type": "text/html; charset=utf-8"})
        if "garbled" in self.quirks:
            raise RefusedError(200, "", "Sign in \x1b\x07to the guest network")
        if "slow-down" in self.quirks and len(self.seen) <= 3:
            raise RefusedError(503, "SlowDown", "Please reduce your request rate.")
        if "skewed" in self.quirks:
            raise RefusedError(403, "RequestTimeTooSkewed", "The difference between the request time and the current time")
        if "public" in self.quirks and signed:
            raise RefusedError(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        if "public" not in self.quirks and not signed:
            raise RefusedError(403, "AccessDenied", "Anonymous access is forbidden")
        if {"public", "no-write"} & self.quirks and request.verb in {"PUT", "POST", "DELETE"}:
            raise RefusedError(403, "AccessDenied", "Access Denied")
        if "no-read" in self.quirks and request.verb in {"GET", "HEAD"} and request.key:
            raise RefusedError(403, "AccessDenied", "Access Denied")
        if "no-list" in self.quirks and request.verb == "GET" and not request.key:
            raise RefusedError(403, "AccessDenied", "not authorized to perform: s3:ListBucket")

    def _check_server(self, request: Request) -> None:
        in_host = request.host.startswith(f"{BUCKET}.")
        if "virtual-only" in self.quirks and not in_host:
            raise RefusedError(403, "SecondLevelDomainForbidden", "Please use virtual hosted style to access.")
        if "virtual-only-cos" in self.quirks and not in_host:
            message = "The bucket you are attempting to access must be addressed using COS virtual-styled domain."
            raise RefusedError(403, "PathStyleDomainForbidden", message)
        if "other-region" in self.quirks and f"/{REGION}/s3/" not in request.headers.get("authorization", ""):
            message = f"The authorization header is malformed; the region is wrong; expecting '{REGION}'"
            raise RefusedError(400, "AuthorizationHeaderMalformed", message, f"<Region>{REGION}</Region>")
        if "moved" in self.quirks:
            headers = {"x-amz-bucket-region": REGION}
            raise RefusedError(301, "PermanentRedirect", "The bucket must be addressed using the specified endpoint", **headers)
        encryption = request.headers.get("x-amz-server-side-encryption")
        if "kms-only" in self.quirks and request.makes_object and encryption != "aws:kms":
            raise RefusedError(403, "AccessDenied", DENY)
        self._check_headers(request)

    def _check_headers(self, request: Request) -> None:
        words = ("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer")
        checksums = [name for name in request.headers if name.startswith(words)]
        if "no-checksums" in self.quirks and checksums:
            raise RefusedError(400, "InvalidArgument", f"Unsupported header '{checksums[0]}' received for this API call.")
        if "no-checksums-501" in self.quirks and checksums:
            raise RefusedError(501, "NotImplemented", NOT_IMPLEMENTED, f"<Header>{checksums[0]}</Header>")
        condition = {"if-match", "if-none-match"} & set(request.headers)
        if condition and "no-conditions" in self.quirks:
            raise RefusedError(501, "NotImplemented", NOT_IMPLEMENTED)
        if condition and "no-conditions-400" in self.quirks:
            raise RefusedError(400, "NotImplemented", NOT_IMPLEMENTED)

    def _check_body(self, request: Request) -> None:
        sha = hashlib.sha256(request.body)
        signed = request.headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD)
        if signed not in {UNSIGNED_PAYLOAD, sha.hexdigest()}:
            raise RefusedError(400, "XAmzContentSHA256Mismatch", "The provided hash does not match what was computed.")
        told = request.headers.get("x-amz-checksum-sha256")
        if told is not None and told != base64.b64encode(sha.digest()).decode():
            raise RefusedError(400, "BadDigest", "The SHA256 you specified did not match what we received.")
        is_protected = signed != UNSIGNED_PAYLOAD or told is not None
        if request.verb == "PUT" and request.body and not is_protected and request.headers.get("authorization"):
            raise RefusedError(400, "InvalidRequest", "a body of which nobody said the hash")

    def _find(self, request: Request) -> Stored:
        stored = self.objects.get(request.key)
        if stored is None and "no-list" in self.quirks:
            raise RefusedError(403, "AccessDenied", "Access Denied")
        if stored is None:
            raise RefusedError(404, "NoSuchKey", "The specified key does not exist.")
        return stored

    def _headers_of(self, stored: Stored) -> dict[str, str]:
        said = {"ETag": stored.tag, "Last-Modified": email.utils.formatdate(stored.written, usegmt=True)}
        if stored.encryption:
            said["x-amz-server-side-encryption"] = stored.encryption
        if stored.refused == "InvalidObjectState":
            said["x-amz-storage-class"] = "GLACIER"
        left_out = {"no-tags": "ETag", "no-dates": "Last-Modified"}
        return {name: value for name, value in said.items() if not any(left_out.get(q) == name for q in self.quirks)}

    def _head(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        stored = self._find(request)
        if stored.refused == "403":
            raise RefusedError(403, "AccessDenied", "Access Denied")
        return 200, self._headers_of(stored), stored.data

    def _get(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        if not request.key:
            return (200, {}, self._listed_uploads(request)) if "uploads" in request.query else (200, {}, self._listing(request))
        stored = self._find(request)
        if stored.refused:
            code = "AccessDenied" if stored.refused in {"403", "kms"} else stored.refused
            message = "User is not authorized to perform: kms:Decrypt" if stored.refused == "kms" else "Access Denied"
            raise RefusedError(403, code, message)
        headers = self._headers_of(stored)
        if "other-tags" in self.quirks:
            headers["ETag"] = f'"{len(self.seen)}"'
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if wanted is None or "no-ranges" in self.quirks:
            return 200, headers, stored.data
        start, end = int(wanted[1]), min(int(wanted[2]), len(stored.data) - 1)
        if start > end:
            raise RefusedError(416, "InvalidRange", "The requested range is not satisfiable")
        return 206, {**headers, "Content-Range": f"bytes {start}-{end}/{len(stored.data)}"}, stored.data[start : end + 1]

    def _listing(self, request: Request) -> bytes:
        second = request.query.get("list-type") == "2"
        if second and "old-listing" in self.quirks:
            raise RefusedError(400, "InvalidArgument", "list-type is not supported")
        second = second and "older-listing" not in self.quirks
        prefix = "" if "foreign-keys" in self.quirks else request.query.get("prefix", "")
        after = request.query.get("continuation-token" if second else "marker", "")
        if second:
            after = after.removeprefix("token ") or request.query.get("start-after", "")
        keys = [key for key in sorted(self.objects) if key.startswith(prefix) and key > after.removesuffix("+")]
        most = min(int(request.query.get("max-keys", 1000)), 2 if "small-pages" in self.quirks else 1000)
        if second and "small-pages" in self.quirks and after and not after.endswith("+"):
            return _list_xml([], f"token {after}+")  # there is more, but not on this page
        shown = keys[:most]
        token = f"token {shown[-1]}" if len(keys) > most else ""
        if "endless-listing" in self.quirks:
            shown, token = keys[:1], "token "
        return _list_xml([self._row(key) for key in shown], token, second=second)

    def _row(self, key: str) -> str:
        stored = self.objects[key]
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(stored.written)) + f".{int(stored.written % 1 * 1000):03}Z"
        tag = "" if "no-tags" in self.quirks else f"<ETag>{escape(stored.tag)}</ETag>"
        date = "" if "no-dates" in self.quirks else f"<LastModified>{when}</LastModified>"
        kind = "GLACIER" if stored.refused == "InvalidObjectState" else stored.kind
        said = f"{tag}{date}<StorageClass>{kind}</StorageClass>" if kind else f"{tag}{date}"
        return f"<Contents><Key>{escape(key)}</Key><Size>{len(stored.data)}</Size>{said}</Contents>"

    def _listed_uploads(self, request: Request) -> bytes:
        if "no-uploads-list" in self.quirks:
            raise RefusedError(501, "NotImplemented", "not here")
        prefix = "" if "foreign-keys" in self.quirks else request.query.get("prefix", "")
        after = request.query.get("key-marker", ""), request.query.get("upload-id-marker", "")
        if "endless-listing" in self.quirks:
            after = "", ""
        found = sorted((upload.key, number) for number, upload in self.uploads.items() if upload.key.startswith(prefix))
        left = [each for each in found if each > after]
        shown = left[: 2 if {"small-pages", "endless-listing"} & self.quirks else 1000]
        rows = f"<IsTruncated>{'true' if len(left) > len(shown) else 'false'}</IsTruncated>"
        if len(left) > len(shown) and "older-listing" not in self.quirks:
            rows += f"<NextKeyMarker>{escape(shown[-1][0])}</NextKeyMarker>"
            rows += f"<NextUploadIdMarker>{shown[-1][1]}</NextUploadIdMarker>"
        for _, number in shown:
            upload = self.uploads[number]
            when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(upload.begun))
            rows += (
                f"<Upload><Key>{escape(upload.key)}</Key><UploadId>{number}</UploadId><Initiated>{when}</Initiated></Upload>"
            )
        return f"<ListMultipartUploadsResult>{rows}</ListMultipartUploadsResult>".encode()

    def _check_condition(self, request: Request) -> None:
        if "ignores-conditions" in self.quirks:
            return
        present = self.objects.get(request.key)
        if request.headers.get("if-none-match") == "*" and present is not None:
            raise RefusedError(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        wanted = request.headers.get("if-match")
        if wanted is not None and present is None and request.verb == "PUT":
            raise RefusedError(404, "NoSuchKey", "The specified key does not exist.")
        if wanted is not None and present is not None and present.tag != wanted:
            raise RefusedError(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")

    def _put(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        self._check_condition(request)
        if "partNumber" in request.query:
            upload = self._upload(request)
            upload.parts[int(request.query["partNumber"])] = request.body
            return 200, {"ETag": Stored(request.body).tag}, b""
        source = urllib.parse.unquote(request.headers.get("x-amz-copy-source", "")).lstrip("/").partition("/")[2]
        data = request.body
        if source:
            data = self._find(Request("GET", "", BUCKET, source, {}, {}, b"")).data
            if source == request.key and request.headers.get("x-amz-metadata-directive") != "REPLACE":
                raise RefusedError(400, "InvalidRequest", "This copy request is illegal")
        self.objects[request.key] = stored = Stored(data, encryption=request.headers.get("x-amz-server-side-encryption"))
        headers = self._headers_of(stored)
        tag = f"<ETag>{escape(stored.tag)}</ETag>"
        return 200, headers, f"<CopyObjectResult>{tag}</CopyObjectResult>".encode() if source else b""

    def _upload(self, request: Request) -> Upload:
        upload = self.uploads.get(request.query["uploadId"])
        if upload is None or upload.key != request.key:
            raise RefusedError(404, "NoSuchUpload", "The specified upload does not exist.")
        return upload

    def _post(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        if "uploads" in request.query:
            number = f"upload{next(self._numbers)}"
            self.uploads[number] = Upload(request.key)
            said = f"<Bucket>{BUCKET}</Bucket><Key>{escape(request.key)}</Key><UploadId>{number}</UploadId>"
            return 200, {}, f"<InitiateMultipartUploadResult>{said}</InitiateMultipartUploadResult>".encode()
        upload = self._upload(request)
        numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)<", request.body)]
        if sorted(numbers) != sorted(upload.parts) or numbers != sorted(numbers):
            raise RefusedError(400, "InvalidPart", "One or more of the specified parts could not be found.")
        self.objects[request.key] = Stored(b"".join(upload.parts[number] for number in numbers))
        del self.uploads[request.query["uploadId"]]
        return 200, {}, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"

    def _delete(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        if "uploadId" in request.query:
            self._upload(request)
            del self.uploads[request.query["uploadId"]]
            return 204, {}, b""
        self._check_condition(request)
        self.objects.pop(request.key, None)
        return 204, {}, b""


def _list_xml(rows: list[str], token: str, *, second: bool = True) -> bytes:
    more = "true" if token else "false"
    said = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if token and second else ""
    return f"<ListBucketResult><IsTruncated>{more}</IsTruncated>{said}{''.join(rows)}</ListBucketResult>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    quirky: Quirky

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        request = self._request()
        try:
            status, headers, body = self.quirky.answer(request)
        except RefusedError as error:
            status, headers = error.status, error.headers
            code, message = f"<Code>{error.code}</Code>", f"<Message>{escape(error.message)}</Message>"
            body = f"<?xml version='1.0'?><Error>{code}{message}{error.more}</Error>".encode()
            body = body if error.code else error.message.encode()
            if self.command == "HEAD":
                body = b""
        chunked = "chunked" in self.quirky.quirks and self.command == "GET" and request.key and status == 200
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(
                b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked and body else b"0\r\n\r\n" if chunked else body
            )

    def send_response(self, code: int, message: str | None = None) -> None:
        """A status line, and a date unless that is the quirk."""
        self.send_response_only(code, message)
        if "no-dates" not in self.quirky.quirks:
            self.send_header("Date", self.date_time_string())

    def _request(self) -> Request:
        parts = urllib.parse.urlsplit(self.path)
        host = self.headers["Host"].partition(":")[0]
        path = urllib.parse.unquote(parts.path).lstrip("/")
        bucket, _, key = (BUCKET, "", path) if host.startswith(f"{BUCKET}.") else path.partition("/")
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, host, bucket, key, query, headers, body)


for _verb in ("GET", "PUT", "HEAD", "DELETE", "POST"):
    setattr(_Handler, f"do_{_verb}", _Handler._serve)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hung up is no news."""


@contextlib.contextmanager
def serving(*quirks: str) -> Iterator[Quirky]:
    """A server with some quirks, until the context is left."""
    quirky = Quirky(quirks)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"quirky": quirky}))
    quirky.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield quirky
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
