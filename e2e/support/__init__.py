"""What the black-box tests and the demo share: kubectl, the operator's installation, the forge, the audit log."""
