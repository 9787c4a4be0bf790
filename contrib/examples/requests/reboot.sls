# Asks for a reboot as long as the system wants one, and says so when it does not any more. Both may be said at each run: it stays one request, and nobody reboots here.
# What "reboot" means is written in tagout.yaml of the host, below requests: (tagout-requests(7)).
{% set tagout = salt['pillar.get']('reboot_request:tagout', '/usr/bin/tagout') %}
{% set wanted = salt['pillar.get']('reboot_request:wanted', '/run/reboot-required') %}
ask for a reboot:
  cmd.run:
    - name: {{ tagout }} request submit --activity reboot --disruptive --expires 1d --reason 'the system wants it'
    - onlyif: test -e {{ wanted }}

no reboot is wanted:
  cmd.run:
    - name: {{ tagout }} request cancel reboot --reason 'the system wants it no longer'
    - unless: test -e {{ wanted }}
