"""The OpenDAL binding builds from its pinned crates."""
import ctypes

import needs

library = ctypes.CDLL(needs.binding())
assert library.mayfly_opendal_abi() == 1
