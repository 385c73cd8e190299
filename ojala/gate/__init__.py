"""What a candidate must show before it may replace the champion."""
