package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"heed/mailer/mailertest"
)

// patience is how long the people of the demo wait for an effect. A killed
// process and its restart lie within it.
const patience = 100 * time.Second

// explained is what `heed explain` tells of an address.
type explained struct {
	Known bool `json:"known"`
	State struct {
		Marketing  string            `json:"marketing"`
		Topics     map[string]string `json:"topics"`
		OnHold     bool              `json:"on_hold"`
		Restricted bool              `json:"restricted"`
		Dead       bool              `json:"dead"`
		Erased     bool              `json:"erased"`
	} `json:"state"`
}

// gets tells whether the person still gets the product news.
func (e explained) gets() bool {
	return e.State.Topics[topicNews] == "in" && e.State.Marketing != "out" && !e.State.OnHold && !e.State.Restricted && !e.State.Dead && !e.State.Erased
}

func (s *story) explain(ctx context.Context, who string) (explained, error) {
	return ask[explained](ctx, s.heed, "explain", who)
}

// becomes waits until heed explains a person as expected.
func (s *story) becomes(ctx context.Context, who, what string, is func(explained) bool) error {
	return eventually(ctx, patience, who+" to be "+what, func() (bool, error) {
		e, err := s.explain(ctx, who)
		return err == nil && is(e), err
	})
}

// mail lets somebody write to the sender and waits until the mail is done: it
// lies in Processed, or in Review. That is the moment at which heed
// acknowledges what it asked for.
func (s *story) mail(ctx context.Context, l letter) (done time.Time, folder string, err error) {
	raw, id := l.write(time.Now())
	from := l.from
	if l.envelope == "<>" {
		from = ""
	}
	if err := s.Deliver(from, l.to, raw); err != nil {
		return done, "", err
	}
	err = eventually(ctx, patience, "the mail "+l.subject+" to be done", func() (found bool, err error) {
		folder, err = s.filed(roleOf(l.to), id)
		return folder != "", err
	})
	return time.Now(), folder, err
}

// filed finds the folder for finished mail in which a mail lies.
func (s *story) filed(role, id string) (string, error) {
	for _, folder := range []string{"Processed", "Review"} {
		mails, err := s.Folder(role, folder)
		if err != nil {
			return "", err
		}
		for _, raw := range mails {
			if head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n")); bytes.Contains(head, []byte(id)) || bytes.Contains(head, []byte("Original-"+id)) {
				return folder, nil
			}
		}
	}
	return "", nil
}

// awaitMail waits for a message of a kind to somebody.
func (s *story) awaitMail(ctx context.Context, kind, who string) (m mailertest.Record, err error) {
	err = eventually(ctx, patience, "a message ("+kind+") to "+who, func() (bool, error) {
		if all := s.find(kind, who); len(all) > 0 {
			m = all[len(all)-1]
			return true, nil
		}
		return false, nil
	})
	return m, err
}

// annWrites: a person writes in plain words.
func (s *story) annWrites(ctx context.Context) error {
	began := time.Now()
	done, folder, err := s.mail(ctx, plainLetter(ann, "unsubscribe@"+domain, "Newsletter",
		"Hello,\n\nplease take me off your mailing list.\n\nThank you\nAnn Archer"))
	if err != nil {
		return err
	}
	if folder != "Processed" {
		return fmt.Errorf("the mail of Ann lies in %s instead of Processed", folder)
	}
	s.acknowledged(ack{who: ann, at: done})
	s.tell("ann", fmt.Sprintf("Ann wrote to unsubscribe@ in her own words: opted out, %s after her mail arrived", since(began)), nil)
	notice, err := s.awaitMail(ctx, kindOther, ann)
	if err != nil {
		return err
	}
	if len(mailLinks(notice.Data)) < 2 {
		return errors.New("the notice to Ann has no way back")
	}
	s.tell("ann", "Nothing proved that it was her, so one notice went to her address, with a link that takes it back", nil)
	return nil
}

// boIsUnsubscribed: his mailbox provider posts to the address in the header of
// the mail that he got before (RFC 8058 §3.2).
func (s *story) boIsUnsubscribed(ctx context.Context) error {
	got, err := s.awaitMail(ctx, kindHello, bo)
	if err != nil {
		return err
	}
	url, ok := oneClick(got.Header())
	if !ok {
		return errors.New("the mail to Bo has no one-click headers")
	}
	began := time.Now()
	a, err := optOut(ctx, url, bo)
	if err != nil {
		return err
	}
	s.acknowledged(a)
	s.tell("bo", fmt.Sprintf("Bo's mailbox provider pressed unsubscribe for him (RFC 8058): opted out within %s", since(began)), map[string]any{"in_flight": a.inFlight})
	return nil
}

// cyIsScanned: her company's scanner opens every link, before she does.
func (s *story) cyIsScanned(ctx context.Context) error {
	got, err := s.awaitMail(ctx, kindHello, cy)
	if err != nil {
		return err
	}
	all := mailLinks(got.Data)
	for _, link := range all {
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			if err := follow(ctx, method, link); err != nil {
				return fmt.Errorf("the scanner of Cy: %w", err)
			}
		}
	}
	e, err := s.explain(ctx, cy)
	if err != nil {
		return err
	}
	if len(all) < 3 || !e.gets() {
		return fmt.Errorf("after her scanner opened %d links, Cy is %+v", len(all), e.State)
	}
	s.tell("cy", fmt.Sprintf("Cy's company scanner opened all %d links of her mail, twice: nothing changed for her", len(all)), nil)
	return nil
}

// deeBounces: her server took the mail, or the relay did, and it comes back.
func (s *story) deeBounces(ctx context.Context) error {
	if !s.relayed {
		got, err := s.awaitMail(ctx, kindNews, dee)
		if err != nil {
			return err
		}
		if _, _, err := s.mail(ctx, bounceLetter(got)); err != nil {
			return err
		}
	}
	if err := s.becomes(ctx, dee, "a dead address", func(e explained) bool { return e.State.Dead }); err != nil {
		return err
	}
	s.tell("dee", "Dee's address is gone: the mail came back to the return path, and nothing more is sent there", nil)
	return nil
}

// eveWaits: her server said "later", and takes it at the next try.
func (s *story) eveWaits(ctx context.Context) error {
	if _, err := s.awaitMail(ctx, kindNews, eve); err != nil {
		return err
	}
	if s.refusals(eve) == 0 {
		return errors.New("the server of Eve never said later")
	}
	s.tell("eve", "Eve's server said \"try later\" (451), and got the mail at the next try", nil)
	return nil
}

// fayIsDeleted: she asks, is on hold at once, and confirms by the link that
// only she can get.
func (s *story) fayIsDeleted(ctx context.Context) error {
	done, folder, err := s.mail(ctx, plainLetter(fay, "privacy@"+domain, "My data", "Please delete all data that you hold about me.\n\nFay Fox"))
	if err != nil {
		return err
	}
	s.acknowledged(ack{who: fay, at: done})
	s.tell("fay", "Fay asked privacy@ to delete her data: a case is open, and nothing is sent to her any more", map[string]any{"folder": folder})
	sent, err := s.awaitMail(ctx, kindOther, fay)
	if err != nil {
		return err
	}
	if err := s.confirm(ctx, s.confirmLink(sent.Data)); err != nil {
		return err
	}
	if err := s.becomes(ctx, fay, "erased", func(e explained) bool { return e.State.Erased }); err != nil {
		return err
	}
	s.tell("fay", "Fay confirmed by the link that was mailed to her: she is deleted, and stays on the list of those never to be written to", nil)
	return nil
}

// confirmLink is where a mail asks to confirm a request; empty where it does not.
func (s *story) confirmLink(raw []byte) string {
	for _, link := range mailLinks(raw) {
		if strings.HasPrefix(link, s.web+"/c/") {
			return link
		}
	}
	return ""
}

// confirm opens the page, which changes nothing, and presses its button.
func (s *story) confirm(ctx context.Context, link string) error {
	if link == "" {
		return errors.New("the mail that asks Fay to confirm has no link")
	}
	return eventually(ctx, patience, "the page to confirm at", func() (bool, error) {
		page, err := readPage(ctx, link)
		if err != nil {
			return false, nil // it may be starting again
		}
		fields := pressed(page)
		if len(fields) == 0 {
			return false, errors.New("the page to confirm at has no button")
		}
		answer, err := postForm(ctx, link, fields.Encode())
		if err == nil && answer.StatusCode != http.StatusOK {
			return false, fmt.Errorf("confirming answered %s", answer.Status)
		}
		return err == nil, nil
	})
}

// gusIsAway: his mail program answers by itself, and that changes nothing.
func (s *story) gusIsAway(ctx context.Context) error {
	got, err := s.awaitMail(ctx, kindNews, gus)
	if err != nil {
		return err
	}
	if _, _, err := s.mail(ctx, vacationLetter(got)); err != nil {
		return err
	}
	e, err := s.explain(ctx, gus)
	if err != nil {
		return err
	}
	if others := s.find(kindOther, gus); !e.gets() || len(others) > 0 {
		return fmt.Errorf("after his automatic reply Gus is %+v and got %d answers", e.State, len(others))
	}
	s.tell("gus", "Gus is on holiday: his automatic reply changed nothing and got no answer", nil)
	return nil
}

// halComplains: he presses "this is spam", and his provider reports it.
func (s *story) halComplains(ctx context.Context) error {
	got, err := s.awaitMail(ctx, kindNews, hal)
	if err != nil {
		return err
	}
	done, _, err := s.mail(ctx, spamReport(got, "abuse@"+domain))
	if err != nil {
		return err
	}
	e, err := s.explain(ctx, hal)
	if err != nil {
		return err
	}
	if e.gets() {
		return fmt.Errorf("after his spam report Hal still is %+v", e.State)
	}
	s.acknowledged(ack{who: hal, at: done})
	s.tell("hal", "Hal pressed \"this is spam\": his provider's report opted him out", nil)
	return nil
}

// since rounds for people.
func since(began time.Time) time.Duration { return time.Since(began).Round(time.Millisecond) }
