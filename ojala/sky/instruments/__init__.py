"""What DESI, J-PAS and the Legacy Surveys measure of simulated sources."""
