package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memoryAllowed is how much more memory the process may ever have had, in KiB,
// after a mailbox full of trouble.
const memoryAllowed = 150 << 10

// TestE2EBadMails: mails that are too large, too deep or no mails at all go to a
// person, cost little, and hold nobody else's mail up.
func TestE2EBadMails(t *testing.T) {
	s, _ := stormOn(t, setUp{}, 20)
	who := s.people[3].email
	good, id := plainLetter(who, "unsubscribe@"+domain, "stop", "Please unsubscribe me.").write(time.Now())
	mails := append(noise(20), hugeMail(50<<20), nestedMail(2000), []byte{}, good)
	before := peak(t, s.children["serve"])
	for _, raw := range mails {
		if err := s.Deliver("", "unsubscribe@"+domain, raw); err != nil {
			t.Fatal(err)
		}
	}
	err := eventually(t.Context(), 60*time.Second, "all mails to be done", func() (bool, error) {
		inbox, err := s.Folder("unsubscribe", "INBOX")
		return len(inbox) == 0, err
	})
	if err != nil {
		t.Error(err)
	}
	done, reviewed := s.countDone(t)
	if done+reviewed != len(mails) || reviewed == 0 {
		t.Errorf("of %d mails %d lie in Processed and %d in Review", len(mails), done, reviewed)
	}
	if folder, err := s.filed("unsubscribe", id); folder != "Processed" || err != nil {
		t.Errorf("the good mail lies in %q, %v", folder, err)
	}
	s.isOut(t.Context(), t, who)
	grown := peak(t, s.children["serve"]) - before
	t.Logf("the process grew by %d MiB; %d mails in Processed, %d in Review", grown>>10, done, reviewed)
	if grown > memoryAllowed {
		t.Errorf("the process grew by %d MiB, at most %d are allowed", grown>>10, memoryAllowed>>10)
	}
	s.heed.ends(t, exitDone, "verify")
}

func (s *story) countDone(t *testing.T) (done, reviewed int) {
	t.Helper()
	for folder, count := range map[string]*int{"Processed": &done, "Review": &reviewed} {
		mails, err := s.Folder("unsubscribe", folder)
		if err != nil {
			t.Fatal(err)
		}
		*count = len(mails)
	}
	return done, reviewed
}

// noise is mails of random bytes, up to 64 KiB long.
func noise(n int) [][]byte {
	random := rand.NewChaCha8([32]byte{7})
	all := make([][]byte, n)
	for i := range all {
		all[i] = make([]byte, 1+i*i*160)
		_, _ = random.Read(all[i]) // it never fails
	}
	return all
}

// hugeMail is a newsletter-like mail of n bytes, most of it an attachment.
func hugeMail(n int) []byte {
	head := "From: vic@home.example\r\nTo: unsubscribe@" + domain + "\r\nSubject: my photographs\r\nMessage-ID: <huge@home.example>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=e\r\n\r\n--e\r\nContent-Type: text/plain\r\n\r\nHere they are.\r\n" +
		"--e\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	line := strings.Repeat("QUJD", 19) + "\r\n"
	return []byte(head + strings.Repeat(line, n/len(line)) + "--e--\r\n")
}

// nestedMail has parts within parts.
func nestedMail(depth int) []byte {
	var out strings.Builder
	out.WriteString("From: wim@home.example\r\nTo: unsubscribe@" + domain + "\r\nSubject: dolls\r\nMessage-ID: <nested@home.example>\r\nMIME-Version: 1.0\r\n")
	for i := range depth {
		fmt.Fprintf(&out, "Content-Type: multipart/mixed; boundary=e%d\r\n\r\n--e%d\r\n", i, i)
	}
	out.WriteString("Content-Type: text/plain\r\n\r\nunsubscribe\r\n")
	for i := range depth {
		fmt.Fprintf(&out, "--e%d--\r\n", depth-1-i)
	}
	return []byte(out.String())
}

// peak is the most memory that a process ever had, in KiB.
func peak(t *testing.T, c *child) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest + " -")[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
