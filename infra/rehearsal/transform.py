"""template.yaml as CloudFormation sees it: SAM's transform applied, and what it includes in its place.

Prints JSON. Its member `Source` is the SHA-256, in base64, of the files that it was made from, so that whoever reads
the result can tell whether it is of today. Runs with the packages of aws-sam-cli.
"""

import base64
import hashlib
import json
import os
import pathlib
import re

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")

from samcli.yamlhelper import yaml_parse  # noqa: E402
from samtranslator.translator.transform import transform  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = "template.yaml"
INCLUDED = "infra/gateway/rest.json"

# Parameters without a default need some value here; the result keeps its references to them.
PARAMETERS = {"JwtIssuer": "https://issuer.example", "JwtAudience": "example"}


class NoManagedPolicies:
    """The template names none: each role says by itself what it may do."""

    def load(self):
        return {}


def included(node):
    """`node` with each AWS::Include replaced by the file that it names."""
    if isinstance(node, list):
        return [included(item) for item in node]
    if not isinstance(node, dict):
        return node
    macro = node.get("Fn::Transform")
    if macro and macro["Name"] == "AWS::Include":
        assert macro["Parameters"]["Location"] == INCLUDED, macro
        return json.loads((ROOT / INCLUDED).read_text())
    return {name: included(member) for name, member in node.items()}


def main():
    digest = hashlib.sha256()
    for name in (TEMPLATE, INCLUDED):
        digest.update((ROOT / name).read_bytes())
    template = yaml_parse((ROOT / TEMPLATE).read_text())
    # Packaging uploads these and puts their places here.
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://code/" + resource["Properties"]["CodeUri"]
    # By way of JSON, which has no aliases: what two places share in YAML must not change in both.
    template = included(json.loads(json.dumps(template)))
    transformed = {"Source": base64.b64encode(digest.digest()).decode()}
    transformed |= transform(template, PARAMETERS, NoManagedPolicies())
    # SAM names each deployment of the API after the time.
    text = json.dumps(transformed, indent=1, sort_keys=True)
    print(re.sub(r"[0-9a-f]{40}", "…", re.sub(r"RestApiDeployment[0-9a-f]{10}", "RestApiDeployment", text)))


main()
