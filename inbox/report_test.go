package inbox

import (
	"strings"
	"testing"

	"heed/consent"
)

// dsn writes a report with a machine part.
func dsn(head, fields string) []byte {
	return []byte("Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.org\nTo: bounces@news.example\nSubject: Undelivered Mail Returned to Sender\n" +
		"MIME-Version: 1.0\n" + head + "\n\n--b\nContent-Type: text/plain\n\nThis is the mail system.\n\n<bob@example.org>: host mx said: 550 no such user (in reply to RCPT TO command)\n\n<eve@example.org>: host mx said: 550 no such user (in reply to end of DATA command)\n--b\n" + fields + "\n--b--\n")
}

const reportHead = "Content-Type: multipart/report; report-type=delivery-status; boundary=b"

// TestReportForms reads the machine part in the forms that the standards allow
// and servers use.
func TestReportForms(t *testing.T) {
	about := "Reporting-MTA: dns; mx.example.org\n\n"
	for name, c := range map[string]struct{ head, fields, want string }{
		"plain": {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\n", "ann@example.org failed hard"},
		"any case": {"content-type: MULTIPART/Report; Report-Type=DELIVERY-STATUS; boundary=b",
			"content-type: Message/Delivery-Status\n\n" + about + "FINAL-recipient: RFC822; <ann@example.org>\naction: FAILED\nstatus: 5.1.1 (bad address)\n", "ann@example.org failed hard"},
		"internationalised": {reportHead, "Content-Type: message/global-delivery-status\n\n" + about + "Final-Recipient: utf-8; j\u00f6rg@b\u00fccher.example\nAction: failed\nStatus: 5.1.1\n",
			"j\u00f6rg@xn--bcher-kva.example failed hard"},
		"delayed":   {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: delayed\nStatus: 4.4.1\nDiagnostic-Code: smtp; 550 user unknown\n", "ann@example.org delayed soft"},
		"delivered": {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: delivered\nStatus: 2.0.0\n", "ann@example.org delivered soft"},
		"relayed":   {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: relayed (to a host without DSN)\nStatus: 5.1.1\n", "ann@example.org relayed soft"},
		"expanded":  {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: expanded\nStatus: 2.0.0\n", "ann@example.org expanded soft"},
		"failed for now": {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 4.4.7\nDiagnostic-Code: smtp; 450 4.1.1 user unknown\n",
			"ann@example.org failed soft"},
		"policy": {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.7.26 no such user, unauthenticated\n",
			"ann@example.org failed policy"},
		"two": {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.2.2\n",
			"ann@example.org failed hard, bob@example.org failed soft"},
		"two without a blank line": {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\nFinal-Recipient: rfc822; bob@example.org\nAction: delayed\nStatus: 4.2.2\n",
			"ann@example.org failed hard, bob@example.org delayed soft"},
		"only the original recipient": {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Original-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\n", "ann@example.org failed hard"},
		"a folded diagnosis": {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550-5.1.1 The email account\n that you tried to reach does not exist\n",
			"ann@example.org failed hard"},
		"fields as text": {reportHead, "Content-Type: text/plain\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\n", "ann@example.org failed hard"},
		"no report type": {"Content-Type: multipart/mixed; boundary=b", "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\n", "ann@example.org failed hard"},
		"the step stands in the words": {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 no such user\n",
			"bob@example.org failed hard"},
		"the step is after the message": {reportHead, "Content-Type: message/delivery-status\n\n" + about + "Final-Recipient: rfc822; eve@example.org\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 no such user\n",
			"eve@example.org failed soft"},
		"a notice of Amazon": {"Content-Type: multipart/mixed; boundary=b", "Content-Type: text/plain\n\nx", ""},
	} {
		raw := dsn(c.head, c.fields)
		if c.want == "" {
			raw = []byte(strings.Replace("From: no-reply@sns.example\nTo: bounces@news.example\nSubject: Notification\n\n{'notificationType':'Bounce','bounce':{'bounceType':'Permanent','bouncedRecipients':[{'emailAddress':'ann@example.org','action':'failed','status':'5.1.1','diagnosticCode':'smtp; 550 5.1.1 user unknown'}]}}\n", "'", `"`, -1))
			c.want = "ann@example.org failed hard"
		}
		got := Read(raw, RoleBounces, testRing, Ours{})
		if said := fates(got); got.Kind != consent.KindBounce || said != c.want {
			t.Errorf("%s: %s %s, want %s", name, got.Kind, said, c.want)
		}
	}
}

// TestMessageIDNamesTheBounce: a server that keeps neither our return path nor
// its token still returns our Message-ID.
func TestMessageIDNamesTheBounce(t *testing.T) {
	fields := "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\n--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <70000." + linkOf.String() + "@news.example>\nTo: ann@example.org\n"
	got := Read(dsn(reportHead, fields), RoleBounces, testRing, Ours{Domain: "news.example"})
	want := consent.Link{Purpose: consent.PurposeBounce, Address: linkOf, Scope: 70000 % 65536}
	if got.Link == nil || *got.Link != want {
		t.Errorf("the link is %+v", got.Link)
	}
	foreign := Read(dsn(reportHead, fields), RoleBounces, testRing, Ours{Domain: "other.example"})
	if foreign.Link != nil {
		t.Errorf("a foreign Message-ID gives %+v", foreign.Link)
	}
}
