"""The console: the page on which carers and families see residents and answer alerts."""
