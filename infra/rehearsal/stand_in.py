"""Starts ministack, the stand-in for AWS, on 127.0.0.1, and quicker than it starts by itself.

By itself it waits 50 ms for a log line after each invocation that writes none, and its Runtime API is
subject to Nagle's algorithm: about 90 ms an invocation, which no function causes. The port is in
GATEWAY_PORT.
"""

import inspect
import os
import socketserver

os.environ |= {
    "BIND_HOST": "127.0.0.1",
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    # Functions get this process's environment: without it their calls would go to AWS.
    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
}

from ministack import app  # noqa: E402
from ministack.core import iam_actions, lambda_runtime  # noqa: E402

socketserver.StreamRequestHandler.disable_nagle_algorithm = True

drain = lambda_runtime.Worker._drain_stderr_bounded
parameters = inspect.signature(drain).parameters
assert parameters["first_line_wait"].default == 0.050, "another release: look at it again"
drain.__defaults__ = (0.002, 0.001, 0.250)

extract = iam_actions.extract_iam_action


def as_aws_has_it(service, *request):
    """SQS admits a batch by the action of a single message; the stand-in asks for one of the batch's own."""
    action = extract(service, *request)
    return action.removesuffix("Batch") if service == "sqs" and action else action


iam_actions.extract_iam_action = as_aws_has_it

# It speaks no TLS, and the bucket's policy admits nothing else: what comes counts as sent by TLS.
pin = app.pin_request_origin
app.pin_request_origin = lambda source_ip, _is_tls: pin(source_ip, True)

app.main()
