package worker_test

import (
	"bytes"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
)

// TestMailInItsLanguage: the footer is in the language of the campaign, and the
// links that a reader follows say it; what a program posts to does not.
func TestMailInItsLanguage(t *testing.T) {
	b := newBench(t, mailertest.Options{Keep: mailertest.KeepAll})
	b.contacts(1)
	source := strings.Replace(newsletter, "topic: product\n", "topic: product\nlanguage: de\n", 1)
	id, _, err := b.store.AddCampaign(t.Context(), store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: source, Audience: "all"})
	if err == nil {
		err = b.store.Start(t.Context(), id)
	}
	for done := false; err == nil && !done; {
		done, err = b.store.FanOut(t.Context(), id)
	}
	if err != nil {
		t.Fatal(err)
	}
	stop := b.start(nil)
	b.until(id, func(a store.Account) bool { return a.Accepted == 1 })
	stop()
	mail := b.sink.Records()[0]
	whole, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(mail.Data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Abbestellen:\r\nhttps://news.example.com/u/", "?said=de\r\n", `lang="de"`} {
		if !strings.Contains(string(whole), want) {
			t.Errorf("the mail lacks %q:\n%s", want, whole)
		}
	}
	if header := mail.Header().Get("List-Unsubscribe"); strings.Contains(header, "said=") {
		t.Errorf("List-Unsubscribe is %s", header)
	}
}
