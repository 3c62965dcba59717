"""What people write first: one Celery task per letter, with Jinja2, EmailMessage and smtplib."""
