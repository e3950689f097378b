"""What the programs about AE, VAE and CVAE share: the trained family, its members, claims and reports."""
