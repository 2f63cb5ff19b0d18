package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"mime"
	"net/textproto"
	"strings"
	"time"

	"heed/mailer/mailertest"
)

// letter is a mail that somebody sends to the newsletter's sender.
type letter struct {
	from, to string // as in the headers; the envelope's where envelope is empty
	envelope string // "<>" for the mail of machines
	subject  string
	fields   []string // further header lines
	text     string   // the body, with line ends as on any Unix
}

// write gives the mail as its last mail server files it, and its Message-ID.
func (l letter) write(at time.Time) (raw []byte, id string) {
	_, domain, _ := strings.Cut(l.from, "@")
	id = "<" + strings.ToLower(rand.Text()) + "@" + strings.Trim(domain, "> ") + ">"
	path := l.envelope
	if path == "" {
		path = "<" + l.from + ">"
	}
	var out strings.Builder
	fmt.Fprintf(&out, "Return-Path: %s\nDelivered-To: %s\nFrom: %s\nTo: %s\nSubject: %s\nDate: %s\nMessage-ID: %s\nMIME-Version: 1.0\n",
		path, l.to, l.from, l.to, mime.QEncoding.Encode("utf-8", l.subject), at.Format(time.RFC1123Z), id)
	for _, field := range l.fields {
		out.WriteString(field + "\n")
	}
	out.WriteString("\n" + l.text)
	return []byte(strings.ReplaceAll(out.String(), "\n", "\r\n")), id
}

// plainLetter is a mail in a person's own words.
func plainLetter(from, to, subject, text string) letter {
	return letter{from: from, to: to, subject: subject, fields: []string{"Content-Type: text/plain; charset=utf-8"}, text: text + "\n"}
}

// vacationLetter is what a mail program sends by itself while its owner is on holiday
// (RFC 3834): to the return path, to be acted on by nobody.
func vacationLetter(r mailertest.Record) letter {
	l := plainLetter(r.To, r.From, "Automatic reply: "+textOf(r.Header().Get("Subject")),
		"I am on holiday until the end of the month.\nIf it is about your subscription or if you want to unsubscribe, please ask a colleague.")
	l.envelope = "<>"
	l.fields = append(l.fields, "Auto-Submitted: auto-replied", "In-Reply-To: "+r.Header().Get("Message-Id"))
	return l
}

// bounceLetter is the report of a mail server that took a message and then found
// nobody to give it to (RFC 3464).
func bounceLetter(r mailertest.Record) letter {
	_, domain, _ := strings.Cut(r.To, "@")
	report := fmt.Sprintf("Reporting-MTA: dns; mx.%s\n\nFinal-Recipient: rfc822; %s\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 <%s>: no such mailbox\n",
		domain, r.To, r.To)
	l := reportLetter(r, "delivery-status", "Your message could not be delivered: the mailbox does not exist.\n", "message/delivery-status", report)
	l.from, l.to, l.envelope, l.subject = "mailer-daemon@mx."+domain, r.From, "<>", "Undelivered Mail Returned to Sender"
	l.fields = append(l.fields, "Auto-Submitted: auto-replied")
	return l
}

// spamReport is what a mailbox provider sends when somebody presses "this is
// spam" (RFC 5965).
func spamReport(r mailertest.Record, to string) letter {
	report := "Feedback-Type: abuse\nUser-Agent: bigmail-feedback/1.0\nVersion: 1\nOriginal-Mail-From: <" + r.From + ">\nOriginal-Rcpt-To: <" + r.To + ">\n"
	l := reportLetter(r, "feedback-report", "This is a spam report for a message from your server.\n", "message/feedback-report", report)
	l.from, l.to, l.subject = "feedback@bigmail.example", to, "FW: "+textOf(r.Header().Get("Subject"))
	return l
}

// reportLetter is a report with its words for people, its part for machines and the
// headers of the message that it is about (RFC 6522).
func reportLetter(r mailertest.Record, kind, words, machine, report string) letter {
	edge := "edge-" + rand.Text()
	head, _, _ := bytes.Cut(r.Data, []byte("\r\n\r\n"))
	part := func(kind, text string) string {
		return "--" + edge + "\nContent-Type: " + kind + "\n\n" + text + "\n"
	}
	text := part("text/plain; charset=us-ascii", words) + part(machine, report) +
		part("text/rfc822-headers", strings.ReplaceAll(string(head), "\r\n", "\n")+"\n") + "--" + edge + "--\n"
	return letter{fields: []string{fmt.Sprintf("Content-Type: multipart/report; report-type=%s; boundary=%q", kind, edge)}, text: text}
}

// oneClick reads the address that a mailbox provider posts to, and tells
// whether the message allows that (RFC 8058 §3.1).
func oneClick(h textproto.MIMEHeader) (url string, ok bool) {
	if h.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		return "", false
	}
	for _, entry := range strings.Split(h.Get("List-Unsubscribe"), ",") {
		entry = strings.Trim(strings.TrimSpace(entry), "<>")
		if strings.HasPrefix(entry, "http") {
			return entry, true
		}
	}
	return "", false
}
