package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"heed/mailer/mailertest"
)

// play tells the whole story and gives the proof. An error means that it broke
// off; a proof that is not OK, that a promise was broken.
func (s *story) play(ctx context.Context) (proof, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for _, step := range []func(context.Context) error{s.imports, s.hello, s.show} {
		if err := step(ctx); err != nil {
			return proof{}, err
		}
	}
	news, err := s.prepare(ctx)
	if err != nil {
		return proof{}, err
	}
	if err := s.send(ctx, news); err != nil {
		return proof{}, err
	}
	return s.prove(ctx, news)
}

// tell passes an event on.
func (s *story) tell(event, text string, data map[string]any) { s.teller.tell(event, text, data) }

// imported is what `heed contact import` tells.
type imported struct {
	Added    int `json:"added"`
	KeptOut  int `json:"kept_out"`
	Rejected []struct {
		Row    int    `json:"row"`
		Reason string `json:"reason"`
	} `json:"rejected"`
}

// imports brings in the opt-outs of an older system, then the people.
func (s *story) imports(ctx context.Context) error {
	for _, list := range []struct {
		file string
		text func([]resident) ([]byte, error)
		args []string
	}{
		{"suppressions.csv", suppressionsCSV, []string{"suppress", "import"}},
		{"people.csv", contactsCSV, []string{"contact", "import"}},
	} {
		text, err := list.text(s.people)
		if err != nil {
			return err
		}
		path, err := s.write(list.file, text)
		if err != nil {
			return err
		}
		counts, err := ask[imported](ctx, s.heed, append(list.args, path)...)
		if err != nil {
			return err
		}
		if list.file == "people.csv" {
			return s.imported(counts)
		}
	}
	return nil
}

// imported checks that the broken lines, and no others, were refused.
func (s *story) imported(counts imported) error {
	broken := map[int]bool{}
	for i, p := range s.people {
		if p.broken {
			broken[i+2] = true // the header is line 1
		}
	}
	reasons := []string{}
	for _, r := range counts.Rejected {
		if !broken[r.Row] {
			return fmt.Errorf("the import refused line %d, which is sound: %s", r.Row, r.Reason)
		}
		reasons = append(reasons, fmt.Sprintf("line %d: %s", r.Row, r.Reason))
	}
	if len(reasons) != len(broken) || counts.KeptOut != few {
		return fmt.Errorf("the import refused %d lines and kept %d people out, instead of %d and %d", len(reasons), counts.KeptOut, len(broken), few)
	}
	s.tell("imported", fmt.Sprintf("%d lines imported: %d people added, %d had opted out before and stay opted out, %d lines refused", len(s.people), counts.Added, counts.KeptOut, len(reasons)),
		map[string]any{"added": counts.Added, "kept_out": counts.KeptOut, "rejected": len(reasons)})
	for _, reason := range reasons {
		s.tell("note", "refused "+reason, nil)
	}
	return nil
}

// created is what the commands that make a campaign or an alert give.
type created struct {
	ID string `json:"id"`
}

// campaign makes a campaign from a file.
func (s *story) campaign(ctx context.Context, name, text string) (string, error) {
	path, err := s.write(name, []byte(text))
	if err != nil {
		return "", err
	}
	made, err := ask[created](ctx, s.heed, "campaign", "new", path)
	return made.ID, err
}

// hello is a small campaign before, so that people hold a mail to act on.
func (s *story) hello(ctx context.Context) error {
	id, err := s.campaign(ctx, "hello.md", helloFile(s.site.url))
	if err != nil {
		return err
	}
	if _, err := s.heed.run(ctx, "campaign", "start", id); err != nil {
		return err
	}
	if _, err := s.heed.run(ctx, "campaign", "wait", id, "--timeout", "60s"); err != nil {
		return err
	}
	for _, who := range []string{ann, bo, cy, fay} {
		if _, err := s.awaitMail(ctx, kindHello, who); err != nil {
			return err
		}
	}
	s.tell("hello", fmt.Sprintf("a first small campaign reached %d readers", s.got(kindHello)), nil)
	return nil
}

// audience is what `heed campaign audience` tells.
type audience struct {
	Audience int            `json:"audience"`
	WillGet  int            `json:"will_get"`
	Skipped  map[string]int `json:"skipped"`
}

// prepare makes the campaign and shows who will get it, and why others not.
func (s *story) prepare(ctx context.Context) (string, error) {
	id, err := s.campaign(ctx, "news.md", newsFile(s.site.url, s.rate))
	if err != nil {
		return "", err
	}
	if _, err := s.heed.run(ctx, "campaign", "check", id); err != nil {
		return "", err
	}
	a, err := ask[audience](ctx, s.heed, "campaign", "audience", id)
	if err != nil {
		return "", err
	}
	var reasons []string
	for _, reason := range sorted(a.Skipped) {
		reasons = append(reasons, fmt.Sprintf("%d %s", a.Skipped[reason], strings.ReplaceAll(reason, "_", " ")))
	}
	s.tell("audience", fmt.Sprintf("%d of %d people will get the campaign; the others: %s", a.WillGet, a.Audience, strings.Join(reasons, ", ")),
		map[string]any{"audience": a.Audience, "will_get": a.WillGet, "skipped": a.Skipped})
	s.teller.expect(a.WillGet)
	return id, nil
}

// send runs the campaign while the people act.
func (s *story) send(ctx context.Context, id string) error {
	if s.relayed {
		s.gone(dee)
	}
	s.each(func(m mailertest.Record) {
		if kindOf(m) == kindNews {
			s.teller.reached(s.got(kindNews))
		}
	})
	if _, err := s.heed.run(ctx, "campaign", "start", id); err != nil {
		return err
	}
	s.tell("started", "the campaign is being sent", map[string]any{"campaign": id})
	err := together(ctx, s.annWrites, s.boIsUnsubscribed, s.cyIsScanned, s.deeBounces, s.eveWaits, s.fayIsDeleted, s.gusIsAway, s.halComplains, s.crash)
	if err != nil {
		return err
	}
	if _, err := s.heed.run(ctx, "campaign", "wait", id, "--timeout", "180s"); err != nil {
		return err
	}
	s.teller.done()
	return nil
}

// together runs all at once and waits for all; the first error ends the others.
func together(ctx context.Context, acts ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(acts))
	var running sync.WaitGroup
	for i, act := range acts {
		running.Go(func() {
			if errs[i] = act(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	running.Wait()
	return first(errs)
}

// first is the error that came before the others were broken off.
func first(errs []error) error {
	var broken error
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		broken = errors.Join(broken, err)
	}
	return broken
}

// crash kills the sending process half-way, starts it again and sees it send;
// then an alert goes out beside the campaign.
func (s *story) crash(ctx context.Context) error {
	half := s.willGet() / 2
	if err := eventually(ctx, 5*time.Minute, "half of the campaign", func() (bool, error) { return s.got(kindNews) >= half, nil }); err != nil {
		return err
	}
	role := s.sender()
	s.children[role].kill()
	killed, before := time.Now(), s.got(kindNews)
	s.tell("killed", fmt.Sprintf("killed heed %s with SIGKILL after %d messages, with all that it held in memory", role, before), map[string]any{"messages": before})
	if err := s.launch(ctx, role); err != nil {
		return err
	}
	ready := time.Now()
	if err := s.sendsAgain(ctx); err != nil {
		return err
	}
	s.tell("restarted", fmt.Sprintf("started again: ready after %s, sending again %s later", ready.Sub(killed).Round(time.Millisecond), since(ready)), nil)
	return s.alert(ctx)
}

// sendsAgain waits for the next message. What a relay still held before the
// kill does not count, so the queue of one is given a moment to drain.
func (s *story) sendsAgain(ctx context.Context) error {
	if s.relayed {
		time.Sleep(300 * time.Millisecond)
	}
	from := s.got(kindNews)
	return eventually(ctx, 15*time.Second, "the next message after the restart", func() (bool, error) { return s.got(kindNews) > from, nil })
}

// willGet is how many lines of the list can get the campaign; persons who act
// meanwhile are still in it.
func (s *story) willGet() (n int) {
	for _, p := range s.people {
		if !p.broken && !p.suppressed && p.consented && p.topics[0] == topicNews {
			n++
		}
	}
	return n
}

// alert sends to all who use the service, whatever they opted out of.
func (s *story) alert(ctx context.Context) error {
	path, err := s.write("alert.md", []byte(alertFile()))
	if err != nil {
		return err
	}
	if _, err := ask[created](ctx, s.heed, "alert", "send", path, "--key", "files-maintenance"); err != nil {
		return err
	}
	holders, out := 0, 0
	for _, p := range s.people {
		if p.broken || len(p.services) == 0 {
			continue
		}
		if _, err := s.awaitMail(ctx, kindAlert, p.email); err != nil {
			return err
		}
		holders++
		if p.suppressed || p.email == ann || p.email == bo {
			out++
		}
	}
	s.tell("alert", fmt.Sprintf("a service alert reached all %d users of the service, %d of them opted out of newsletters", holders, out), map[string]any{"holders": holders, "opted_out": out})
	return nil
}
