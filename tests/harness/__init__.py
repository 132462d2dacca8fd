"""What the black-box tests drive a gateway with: a real process, REST, sockets, faults and an auditor."""
