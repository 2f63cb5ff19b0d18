package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/inbox"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
)

// TestBenchInbox measures how fast mails are read, and how long an opt-out by
// mail takes from the moment at which Dovecot has it to its effect: with
// nothing else to do, and while a campaign goes out at full speed.
func TestBenchInbox(t *testing.T) {
	storetest.Long(t)
	storetest.Need(t, "dovecot")
	figures := []figure{measured(t, "inbox, mails read per second and core", readSpeed(t))}
	dovecot := storetest.Dovecot(t)
	b := openBench(t, benchPlan{engine: "sqlite", people: messages(), config: fmt.Sprintf("url = %q\npassword_file = %q\n",
		dovecot.URL("unsubscribe"), dovecot.PasswordFile("unsubscribe"))})
	b.receive(t, mailertest.Options{})
	b.serve(t, 10)
	o := &departures{b: b, dovecot: dovecot, s: b.open(t)}
	figures = append(figures, o.figures(t, "idle", o.measure(t, 60, func() bool { return true }))...)
	ended := make(chan struct{})
	go func() { defer close(ended); b.send(t) }()
	figures = append(figures, o.figures(t, "during a campaign", o.measure(t, 60, func() bool {
		select {
		case <-ended:
			return false
		default:
			return true
		}
	}))...)
	<-ended
	report(t, figures)
}

// send is a campaign to everybody who has not left.
func (b *benched) send(t *testing.T) {
	made, err := ask[struct{ ID string }](t.Context(), b.heed, "campaign", "new", "news.md")
	if err == nil {
		_, err = b.heed.run(t.Context(), "campaign", "start", made.ID)
	}
	if err == nil {
		_, err = b.heed.run(t.Context(), "campaign", "wait", made.ID, "--timeout", "5m")
	}
	if err != nil {
		t.Error(err)
	}
}

// readSpeed reads the mails that the project has, and the collection that
// HEED_CORPUS names, on one core.
func readSpeed(t *testing.T) float64 {
	t.Helper()
	var mails [][]byte
	for _, folder := range []string{filepath.Join("..", "..", "inbox", "testdata"), os.Getenv("HEED_CORPUS")} {
		if folder == "" {
			continue
		}
		err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".eml") {
				return err
			}
			raw, err := os.ReadFile(path)
			mails = append(mails, raw)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ring, ours := consent.Keyring{}, inbox.Ours{Domain: "notes.example"}
	inbox.Read(mails[0], inbox.RoleUnsubscribe, ring, ours) // reads the phrases
	began, used, n := time.Now(), selfCPU(), 0
	for time.Since(began) < 5*time.Second {
		inbox.Read(mails[n%len(mails)], inbox.RoleUnsubscribe, ring, ours)
		n++
	}
	return float64(n) / (selfCPU() - used)
}

func selfCPU() float64 { return processCPU(os.Getpid()) }

// departures are mails of people who leave, one after another.
type departures struct {
	b       *benched
	dovecot *storetest.DovecotServer
	s       *store.Store
	next    int
}

// measure sends n opt-outs, as long as more says so.
func (o *departures) measure(t *testing.T, n int, more func() bool) (took []float64) {
	t.Helper()
	for len(took) < n && more() {
		o.next++
		token, key := o.b.link(t, o.s, o.b.people-o.next) // the last are sent to last
		raw := fmt.Sprintf("From: reader@example.org\r\nTo: unsubscribe+%s@notes.example\r\nMessage-ID: <%d@example.org>\r\n\r\n\r\n", token, o.next)
		if err := o.dovecot.Deliver("unsubscribe", []byte(raw)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err := eventually(t.Context(), time.Minute, "the opt-out's effect", func() (bool, error) {
			state, err := o.s.State(context.Background(), key)
			return state.Marketing.Choice == consent.Out, err
		})
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(began).Seconds())
	}
	if len(took) == 0 {
		t.Fatal("the campaign ended before the first opt-out")
	}
	return took
}

func (o *departures) figures(t *testing.T, when string, took []float64) []figure {
	t.Helper()
	name := "opt-out by mail, Dovecot to effect, " + when
	return []figure{measured(t, name+", p50", percentile(took, 50)), measured(t, name+", p99", percentile(took, 99))}
}
