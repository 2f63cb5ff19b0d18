package inbox

import (
	"mime"
	"os"
	"strings"
	"testing"

	"heed/consent"
)

// subjects reads a list of lines "language | subject".
func subjects(t *testing.T, name string) (all [][2]string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		code, subject, found := strings.Cut(line, " | ")
		if found && !strings.HasPrefix(line, "#") {
			all = append(all, [2]string{code, subject})
		}
	}
	return all
}

func titled(subject, body string) []byte {
	return []byte("From: ann@example.org\r\nTo: privacy@news.example\r\nSubject: " + mime.QEncoding.Encode("utf-8", subject) + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body + "\r\n")
}

// TestAutomaticSubjects knows answering machines by their subject alone, in
// more than forty languages.
func TestAutomaticSubjects(t *testing.T) {
	languages := map[string]bool{}
	for _, s := range subjects(t, "testdata/automatic-subjects.txt") {
		languages[s[0]] = true
		for _, role := range []string{RolePrivacy, RoleUnsubscribe, RoleBounces, RoleReply, RoleAbuse} {
			if got := Read(titled(s[1], "unsubscribe"), role, testRing, Ours{}); got.Kind != consent.KindAutoReply {
				t.Errorf("%s: %q is read as %s at %s@ %v", s[0], s[1], got.Kind, role, got.Evidence)
				break
			}
		}
	}
	if len(languages) < 45 {
		t.Errorf("only %d languages", len(languages))
	}
}

// TestPeopleAnswerMachines: a person who answers an automatic reply is a
// person, and what they ask counts.
func TestPeopleAnswerMachines(t *testing.T) {
	for _, s := range subjects(t, "testdata/people-subjects.txt") {
		if got := Read(titled(s[1], "Please unsubscribe me from your newsletter."), RoleUnsubscribe, testRing, Ours{}); got.Kind != consent.KindUnsubscribe {
			t.Errorf("%s: %q is read as %s %v", s[0], s[1], got.Kind, got.Evidence)
		}
	}
}

func TestAutomaticSubjectsAreWellFormed(t *testing.T) {
	for _, p := range automaticSubjects() {
		if err := p.check(); err != nil {
			t.Error(err)
		}
	}
}

// TestMachines knows what writes by itself, by each mark that programs set.
func TestMachines(t *testing.T) {
	for name, c := range map[string]struct{ head, body string }{
		"RFC 3834":                 {"Auto-Submitted: auto-replied\r\n", "unsubscribe"},
		"generated":                {"Auto-Submitted: auto-generated (rejected)\r\n", "unsubscribe me"},
		"junk":                     {"Precedence: junk\r\n", "unsubscribe"},
		"bulk":                     {"Precedence: bulk\r\n", "unsubscribe"},
		"auto_reply":               {"Precedence: auto_reply\r\n", "unsubscribe"},
		"Exchange alone":           {"X-Auto-Response-Suppress: All\r\n", "unsubscribe"},
		"X-Autoreply":              {"X-Autoreply: yes\r\n", "unsubscribe"},
		"X-Autorespond":            {"X-Autorespond: News\r\n", "unsubscribe"},
		"a list server":            {"X-List-Administrivia: yes\r\n", "unsubscribe"},
		"a ticket system":          {"X-OTRS-Loop: yes\r\n", "unsubscribe"},
		"vacation by its loop":     {"X-Loop: vacation\r\n", "unsubscribe"},
		"null sender":              {"Return-Path: <>\r\n", "unsubscribe"},
		"a service that asks":      {"X-Bluebottle-Request: 1\r\n", "unsubscribe"},
		"a receipt":                {"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n", "--b\r\n\r\nYour message was read.\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n--b--"},
		"a receipt in other dress": {"Content-Type: multipart/mixed; boundary=b\r\n", "--b\r\n\r\nRead.\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n--b--"},
		"a challenge": {"Subject: Please verify your email to ann@example.org\r\n",
			"Hello,\r\nyour message is waiting to be delivered. Ann uses a list of approved senders.\r\nClick this link to be added to it: https://guard.example/verify/1\r\n"},
		"a person who is away": {"Subject: News of May\r\n", "I am away until Monday, with limited access to email."},
	} {
		raw := "From: ann@example.org\r\nTo: unsubscribe@news.example\r\n" + c.head + "\r\n" + c.body + "\r\n"
		for _, role := range []string{RoleUnsubscribe, RolePrivacy, RoleReply} {
			if got := Read([]byte(raw), role, testRing, Ours{}); got.Kind != consent.KindAutoReply {
				t.Errorf("%s is read as %s at %s@ %v", name, got.Kind, role, got.Evidence)
			}
		}
	}
}

// TestTokenCountsWhoeverWrites: a sealed link in the address or subject is an
// opt-out with each mark of a machine.
func TestTokenCountsWhoeverWrites(t *testing.T) {
	token := testRing.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: linkOf, Scope: 3})
	for _, mark := range []string{"Auto-Submitted: auto-generated", "Auto-Submitted: auto-replied", "Precedence: bulk", "X-Auto-Response-Suppress: All", "Return-Path: <>"} {
		for _, head := range []string{"To: unsubscribe+" + token + "@news.example\r\nSubject: x", "To: unsubscribe@news.example\r\nSubject: " + token} {
			got := Read([]byte(mark+"\r\nFrom: ann@example.org\r\n"+head+"\r\n\r\n"), RoleUnsubscribe, testRing, Ours{})
			if got.Kind != consent.KindUnsubscribe || got.Link == nil || got.Link.Address != linkOf {
				t.Errorf("%s, %s: %+v", mark, head, got)
			}
		}
	}
}
