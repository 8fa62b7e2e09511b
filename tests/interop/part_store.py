"""The contract suite of store/ on every backend: the folder, OpenDAL's fs, S3 by a double that honours conditions."""
import os

import needs

double = os.path.join(needs.HERE, "s3double")
needs.node(20)
needs.node_modules(double)
needs.unit_tests(["store", "store_s3"], {"MAYFLY_OPENDAL": needs.binding(), "MAYFLY_S3_DOUBLE": os.path.join(double, "server.js")})
