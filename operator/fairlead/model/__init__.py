"""What a workflow is: names, spec, status, phases, errors. Data only; nothing here decides."""
