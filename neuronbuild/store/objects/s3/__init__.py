"""S3, and servers that speak it. The only package that imports boto3, but for `location`, which needs no library."""
