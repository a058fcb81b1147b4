"""Where the simulator is started anew for a run, its Python begins here, before the design is loaded."""

import basanite_cocotb

basanite_cocotb.begin()
