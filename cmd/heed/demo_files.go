package main

import (
	"fmt"
	"strings"
)

// How the subjects of the demo's messages end.
const (
	helloSubject = "a first hello from the harbour"
	newsSubject  = "a quieter way to share files"
	alertSubject = "Files will be read-only on Sunday from 06:00 to 07:00 UTC"
)

// helloFile is a small campaign to the first circle of readers. site is the
// sender's own web site.
func helloFile(site string) string {
	return `---
name: A first hello
subject: '{{ first_name | default: "Hello" }}, ` + helloSubject + `'
topic: ` + topicNews + `
class: newsletter
audience: attr.circle == "first"
---

# Hello from the harbour

Hello {{ first_name | default: "there" }},

you are among the first to read [Harbour Notes](` + site + `). Tell us what you think!
`
}

// newsFile is the campaign that the demo watches; rate is in messages a second,
// 0 for as fast as it goes.
func newsFile(site string, rate int) string {
	pace := ""
	if rate > 0 {
		pace = fmt.Sprintf("rate: %d\n", rate)
	}
	return `---
name: Harbour Notes, June
subject: '{{ first_name | default: "Hello" }}, ` + newsSubject + `'
preheader: Shared folders that explain themselves, faster search, and a date for your diary.
topic: ` + topicNews + `
class: newsletter
audience: all
` + pace + `---

# A quieter way to share

Hello {{ first_name | default: "there" }},

summer has reached the harbour, and with it **fewer notifications** and *more
answers*. Here is what is new for {{ company | default: "your team" }}.

- **One note a folder**, written by its owner
- **A weekly digest** in place of a message for each change
- **Quiet hours** that follow your own time zone

[See what is new](` + site + `june?plan={{ attr.plan | default: "free" }})

Fair winds,\
Ida and the Harbour Notes crew
`
}

// alertFile goes to the holders of the service, whatever they opted out of.
func alertFile() string {
	return `---
name: Files maintenance
subject: ` + alertSubject + `
service: ` + serviceName + `
---

# Files will be read-only for an hour

Hello {{ first_name | default: "there" }},

on **Sunday from 06:00 to 07:00 UTC** we move Harbour Files to new storage. You
can open and download everything meanwhile, but not save. You need not do anything.
`
}

// configEnd is what the demo writes below the configuration that heed init
// made: a second topic, a service, the mailboxes, and quick retries.
func configEnd(mailbox func(role string) (url, secret string)) string {
	var out strings.Builder
	fmt.Fprintf(&out, `
# What follows was written by heed demo.

[[topic]]
id = "%s"
name = "Events"

[[service]]
id = "%s"
name = "Harbour Files"

[inbox]
verify_dkim = false # no question leaves this machine

[delivery]
retry_first = "1s"
`, topicEvents, serviceName)
	for _, role := range demoRoles() {
		url, secret := mailbox(role)
		fmt.Fprintf(&out, "\n[[mailbox]]\nrole = %q\naddress = %q\nurl = %q\npassword_file = %q\n", role, role+"@"+domain, url, secret)
	}
	return out.String()
}
