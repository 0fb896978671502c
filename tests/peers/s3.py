"""A server that speaks S3, and a client of it.

    s3.py serve BUCKET            prints its port, and serves until it is ended
    s3.py fetch PORT BUCKET INTO  copies every object into a folder, and prints its key, size and number of parts
"""

import os
import sys
import threading

import boto3

KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}


def client(port):
    return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **KEYS)


def serve(bucket):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    client(port).create_bucket(Bucket=bucket)
    print(port, flush=True)
    threading.Event().wait()


def fetch(port, bucket, into):
    s3 = client(port)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            path = os.path.join(into, entry["Key"])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            s3.download_file(bucket, entry["Key"], path)
            parts = entry["ETag"].strip('"').partition("-")[2] or "1"
            print(entry["Key"], entry["Size"], parts)


{"serve": serve, "fetch": fetch}[sys.argv[1]](*sys.argv[2:])
