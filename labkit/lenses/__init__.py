"""How a scenario is run: in simulated time, or on the machine's sockets. The one place where the parts are joined."""
