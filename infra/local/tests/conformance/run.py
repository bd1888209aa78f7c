#!/usr/bin/env python3
"""Holds a real `hookyard` to its own OpenAPI document with schemathesis.

    run.py HOOKYARD SCHEMATHESIS [argument of schemathesis ...]

The process runs on temporary data and a free port. The seed is fixed and the number of requests bounded, so that a
failure comes again.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
]
ARGUMENTS = [
    "--checks", ",".join(CHECKS),
    "--phases", "examples,coverage,fuzzing",
    "--seed", "1",
    "--max-examples", "20",
    "--max-time", "150",
    "--request-timeout", "30",
    "--continue-on-failure",
    "--suppress-health-check", "all",
    "--no-color",
]


# A header that nobody knows is no mistake of a request, whatever a description of those that are known would say.
HOOKS = """
import schemathesis


@schemathesis.hook
def filter_case(context, case):
    return not any("unknown-property" in name for name in case.headers or {})
"""


def post(url, body, token=""):
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def furnish(url, token):
    """Creates something of every kind; returns the paths, their parameters and what these are for it."""
    def create(path, body):
        return post(url + path, body, token)

    channel = create("/channels", {"platform": "unsigned", "unsigned": True})["channelId"]
    create("/tasks/v1/functions", {"name": "f", "code": "exports.main = () => 1"})
    task = create("/tasks/v1", {"functionName": "f", "startTimestamp": "2100-01-01T00:00:00Z"})["id"]
    callback = create("/callbacks", {})["id"]
    client = create("/clients", {"name": "c"})["clientId"]
    action = {"type": "task", "name": "run", "functionName": "f"}
    dispatcher = create("/dispatchers/v1", {"eventType": "thing.happened", "name": "d", "actions": [action]})
    event = create("/events/v1", {"type": "thing.happened"})["id"]
    return [
        ("/channels/", {"channelId": channel}),
        ("/webhooks/", {"channelId": channel}),
        ("/tasks/v1/functions/", {"name": "f"}),
        ("/tasks/v1/.id", {"id": task}),
        ("/callbacks/", {"id": callback}),
        ("/clients/", {"id": client}),
        ("/dispatchers/v1/", {"id": dispatcher["id"], "actionId": dispatcher["actions"][0]["id"]}),
        ("/runs/", {"eventId": event, "dispatcherId": dispatcher["id"]}),
    ]


def configuration(records):
    """Lets requests find the records, except those that would delete them."""
    operations = []
    for path, parameters in records:
        values = ", ".join(f'"path.{name}" = {json.dumps(value)}' for name, value in parameters.items())
        operations.append(f"""
[[operations]]
include-path-regex = "^{path}"
exclude-method = "DELETE"
parameters = {{ {values} }}
""")
    return "".join(operations)


def main():
    # It runs in another directory.
    hookyard, schemathesis = (str(pathlib.Path(shutil.which(command) or command).resolve()) for command in sys.argv[1:3])
    more = sys.argv[3:]
    with tempfile.TemporaryDirectory() as directory:
        data = pathlib.Path(directory) / "data"
        command = [hookyard, "--listen", "127.0.0.1:0", "--json", "--log", "error", "--data", str(data)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            url = json.loads(server.stdout.readline())["url"]
            administrator = json.loads((data / "admin.json").read_text())
            grant = {"grant_type": "client_credentials", **administrator}
            token = post(f"{url}/auth/v2/oauth2/tokens", grant)["access_token"]
            document = pathlib.Path(directory) / "openapi.json"
            with urllib.request.urlopen(f"{url}/openapi.json") as answer:
                document.write_bytes(answer.read())
            settings = pathlib.Path(directory) / "schemathesis.toml"
            settings.write_text(configuration(furnish(url, token)))
            run = [schemathesis, "--config-file", str(settings), "run", str(document), "--url", url, "-H", f"authorization: Bearer {token}"]
            (pathlib.Path(directory) / "hooks.py").write_text(HOOKS)
            environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": directory}
            outcome = subprocess.run([*run, *ARGUMENTS, *more], cwd=directory, env=environment, check=False).returncode
            if server.poll() is not None:
                sys.exit(f"the server ended with {server.returncode}")
        finally:
            server.terminate()
            server.wait()
    sys.exit(outcome)


if __name__ == "__main__":
    main()
