"""How a NIC is realised: VIF types, built in and plugged in, and their libvirt XML."""
