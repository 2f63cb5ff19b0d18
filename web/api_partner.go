package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"heed/store"
)

// SharedView is a person as a partner is given them.
type SharedView struct {
	Email     string  `json:"email"`
	FirstName *string `json:"first_name,omitempty" doc:"This and what follows only where the agreement with the partner names it."`
	LastName  *string `json:"last_name,omitempty"`
	Company   *string `json:"company,omitempty"`
	Language  *string `json:"language,omitempty"`
}

// FeedView is a page of a partner's feed.
type FeedView struct {
	Partner    string       `json:"partner"`
	AsOf       time.Time    `json:"as_of" doc:"When this page was read. Whoever withdrew before is not in it."`
	People     []SharedView `json:"people"`
	NextCursor string       `json:"next_cursor,omitempty" doc:"Sent as cursor, it gives the next ones; missing on the last page."`
}

func (a *api) partner() {
	reads(a, operation{id: "get-feed", method: http.MethodGet, path: "/v1/partner/feed", area: store.PartnerArea, summary: "Read who agreed that you get their data",
		text: `What is decided at the moment of the request: a withdrawal that was acknowledged to the person is obeyed by the next answer. A page may have fewer people than limit, or none, and another behind it: go by next_cursor. Whoever is read is remembered as given to you, and you are told when they withdraw. Somebody whom you have and who is in no page of a whole read agreed no longer.

With If-None-Match and the ETag of the same page as it was read before, the answer is 304 where it is still the same.`}, getFeed)
	a.huma.OpenAPI().Paths["/v1/partner/feed"].Get.Responses["304"] = &huma.Response{Description: http.StatusText(http.StatusNotModified)}
	reads(a, operation{id: "list-notices", method: http.MethodGet, path: "/v1/partner/notices", area: store.PartnerArea, summary: "List what you were told and have not answered",
		text: "The same notices that are sent to the partner's url or mail address: somebody withdrew, or is erased. Stop using what you have of the person, then answer."}, listNotices)
	changes(a, operation{id: "answer-notice", method: http.MethodPost, path: "/v1/partner/notices/{id}/answer", area: store.PartnerArea, summary: "Answer a notice",
		errors: []int{http.StatusNotFound}, text: "A notice that was answered is gone: 404. accepted leaves it open, for what takes longer."}, answerNotice)
}

type feedInput struct {
	Paged
	IfNoneMatch string `header:"If-None-Match" maxLength:"200" doc:"The ETag of this page as it was read before."`
}

type feedOutput struct {
	Status int
	ETag   string `header:"ETag" doc:"Changes when anything in the page does."`
	Cache  string `header:"Cache-Control"`
	Body   *FeedView
}

// revalidate lets the partner keep a page, and nobody between.
const revalidate = "private, no-cache"

func getFeed(ctx context.Context, c *call, in *feedInput) (*feedOutput, error) {
	const list = "feed"
	place, err := c.from(list, in.Paged)
	if err != nil {
		return nil, err
	}
	after, _ := strconv.ParseInt(place, 10, 64) // empty on the first page
	partner := c.key.Partner()
	v := &FeedView{Partner: partner, AsOf: c.arrived.UTC(), People: []SharedView{}}
	page, last, err := c.Store.FeedPage(ctx, partner, after, in.Limit)
	if err != nil {
		return nil, err
	}
	for _, one := range page {
		v.People = append(v.People, viewShared(one, c.api.doors.Partners[partner]))
	}
	tag, err := feedTag(v.People, last)
	if err != nil {
		return nil, err
	}
	c.api.log.Info("feed_read", "partner", partner, "key", c.key.ID, "people", len(page), "simulated", c.Simulated)
	out := &feedOutput{Status: http.StatusOK, ETag: tag, Cache: revalidate, Body: v}
	if matches(in.IfNoneMatch, tag) {
		return &feedOutput{Status: http.StatusNotModified, ETag: tag, Cache: revalidate}, nil
	}
	if last != 0 {
		v.NextCursor, err = c.next(list, decimal(last))
	}
	return out, err
}

// viewShared gives the fields that a partner's purpose needs, and nothing else.
func viewShared(one store.Shared, fields []string) SharedView {
	v := SharedView{Email: one.Email}
	for _, field := range fields {
		switch field {
		case "first_name":
			v.FirstName = &one.FirstName
		case "last_name":
			v.LastName = &one.LastName
		case "company":
			v.Company = &one.Company
		case "language":
			v.Language = &one.Language
		}
	}
	return v
}

// feedTag is over what the page says; cursors are sealed anew each time.
func feedTag(people []SharedView, last int64) (string, error) {
	text, err := json.Marshal(people)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(text, " %t", last != 0))
	return `"` + hex.EncodeToString(sum[:16]) + `"`, nil
}

// matches compares weakly, as If-None-Match does (RFC 9110 §13.1.2).
func matches(given, tag string) bool {
	for one := range strings.SplitSeq(given, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

// NoticeView is what a partner is told of a person.
type NoticeView struct {
	ID        string    `json:"id"`
	Reference string    `json:"reference" doc:"As it stands in the message that was sent to you."`
	Type      string    `json:"type" enum:"sharing.stopped,person.erase"`
	State     string    `json:"state" enum:"due,accepted"`
	Since     time.Time `json:"since"`
	Email     string    `json:"email"`
}

type noticesOutput struct {
	Cache string `header:"Cache-Control"`
	Body  struct {
		Notices    []NoticeView `json:"notices"`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

func listNotices(ctx context.Context, c *call, in *Paged) (*noticesOutput, error) {
	const list = "notices"
	place, err := c.from(list, *in)
	if err != nil {
		return nil, err
	}
	after, _ := strconv.ParseInt(place, 10, 64) // empty on the first page
	found, err := c.Store.PartnerNotices(ctx, c.key.Partner(), after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &noticesOutput{Cache: "no-store"}
	out.Body.Notices = []NoticeView{}
	for _, one := range found {
		out.Body.Notices = append(out.Body.Notices, viewNotice(one))
	}
	if len(found) == in.Limit {
		out.Body.NextCursor, err = c.next(list, decimal(found[len(found)-1].ID))
	}
	return out, err
}

func viewNotice(n store.PartnerNotice) NoticeView {
	return NoticeView{ID: decimal(n.ID), Reference: n.Reference(), Type: n.Kind(), State: n.State, Since: n.Created, Email: n.Email}
}

// AnswerBody is what a partner answers, in the words in which it would answer a
// message at its url.
type AnswerBody struct {
	Status string `json:"status" enum:"stopped,deleted,kept,accepted" doc:"stopped answers a withdrawal; deleted or kept an erasure; accepted is good for both and leaves the notice open."`
	Law    string `json:"law,omitempty" maxLength:"200" doc:"kept: the law that wants it."`
	Until  string `json:"until,omitempty" format:"date" doc:"kept: when it will be deleted."`
}

// Resolve refuses what could not be printed on a certificate.
func (b *AnswerBody) Resolve(huma.Context) []error {
	switch {
	case strings.ContainsFunc(b.Law, unprintable):
		return []error{&huma.ErrorDetail{Location: "body.law", Message: "must have no line break or other control character"}}
	case b.Status != "kept" && b.Law+b.Until != "":
		return []error{&huma.ErrorDetail{Location: "body.status", Message: "law and until are for kept"}}
	}
	return nil
}

type answerInput struct {
	Keyed
	ID   string `path:"id" pattern:"^[1-9][0-9]{0,17}$"`
	Body AnswerBody
}

type answerOutput struct {
	Body struct {
		State string `json:"state" enum:"done,accepted"`
	}
}

func answerNotice(ctx context.Context, c *call, in *answerInput) (*answerOutput, error) {
	id, err := strconv.ParseInt(in.ID, 10, 64)
	if err != nil {
		return nil, store.ErrNotFound
	}
	said := store.Answer{State: in.Body.Status, Law: strings.TrimSpace(in.Body.Law)}
	if in.Body.Until != "" {
		if said.Until, err = time.Parse(time.DateOnly, in.Body.Until); err != nil {
			return nil, problem(http.StatusUnprocessableEntity, "invalid_request", "until is no date", "send it like 2033-12-31")
		}
	}
	out, err := once(ctx, c, func(ctx context.Context) (*answerOutput, error) {
		out := &answerOutput{}
		if out.Body.State = "done"; said.State == "accepted" {
			out.Body.State = "accepted"
		}
		return out, c.Store.PartnerSaid(ctx, c.key.Partner(), id, said)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, problem(http.StatusNotFound, "not_found", err.Error(), "one that was answered is gone; GET /v1/partner/notices lists those that are open")
	}
	return out, err
}
