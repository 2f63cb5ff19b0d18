package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
)

// The ways to log in to a mailbox.
const (
	AuthPassword    = "password"
	AuthOAuthBearer = "oauthbearer" // RFC 7628
	AuthXOAuth2     = "xoauth2"     // what Google and Microsoft had before it, and still have
)

// errRefused means that the server was reached and does not let us in.
var errRefused = errors.New("the server refuses the login")

// proof is what a login shows: a password, or an access token.
type proof struct {
	user, secret string
	auth         string
	where        MailboxURL
}

// present logs in. A server that wants no passwords in LOGIN offers PLAIN
// (RFC 4616); an old one offers LOGIN as a mechanism only.
func (c *connection) present(p proof) error {
	caps := c.client.Caps()
	switch {
	case p.auth == AuthOAuthBearer:
		return c.exchange(caps, sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{
			Username: p.user, Token: p.secret, Host: p.where.Host, Port: portOf(p.where.Addr)}), "OAUTHBEARER")
	case p.auth == AuthXOAuth2:
		return c.exchange(caps, &xoauth2{p.user, p.secret}, "XOAUTH2")
	case caps.Has("AUTH=PLAIN"):
		return c.exchange(caps, sasl.NewPlainClient("", p.user, p.secret), "PLAIN")
	case !caps.Has(imap.CapLoginDisabled):
		return refused(c.client.Login(p.user, p.secret).Wait())
	}
	return c.exchange(caps, &questions{answers: []string{p.user, p.secret}}, "LOGIN")
}

// questions is the client of the mechanism LOGIN, whose server asks for the
// user and then for the password, in words of its own.
type questions struct{ answers []string }

// Start says nothing: the server asks first.
func (*questions) Start() (mechanism string, first []byte, err error) { return "LOGIN", nil, nil }

// Next answers the next question.
func (q *questions) Next([]byte) ([]byte, error) {
	if len(q.answers) == 0 {
		return nil, errors.New("the server asks for more than user and password")
	}
	answer := q.answers[0]
	q.answers = q.answers[1:]
	return []byte(answer), nil
}

func (c *connection) exchange(caps imap.CapSet, client sasl.Client, mechanism string) error {
	if !caps.Has(imap.Cap("AUTH=" + mechanism)) {
		return fmt.Errorf("%w: it does not offer AUTH=%s", errRefused, mechanism)
	}
	return refused(c.client.Authenticate(client))
}

// refused marks the answer of a server that does not let us in, and drops its
// words, which may name the user. A server whose own user database is away
// (RFC 5530 §3, UNAVAILABLE) refuses nobody.
func refused(err error) error {
	var no *imap.Error
	var bearer *sasl.OAuthBearerError
	switch {
	case errors.As(err, &no) && no.Code == imap.ResponseCodeUnavailable:
		return errors.New("the server cannot check logins at present")
	case errors.As(err, &no):
		return fmt.Errorf("%w (%s %s)", errRefused, no.Type, no.Code)
	case errors.As(err, &bearer):
		return fmt.Errorf("%w (status %s)", errRefused, plainWord(bearer.Status))
	}
	return err
}

func portOf(addr string) int {
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port) // ParseMailboxURL made it
	return n
}

// xoauth2 is the client of the mechanism that Google and Microsoft describe.
// Where the token is refused, the server says why in JSON before it says NO.
type xoauth2 struct{ user, token string }

// Start gives the mechanism's name and its only message.
func (x *xoauth2) Start() (mechanism string, first []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next reads the reason of a refusal; there is nothing else to be said.
func (x *xoauth2) Next(challenge []byte) ([]byte, error) {
	why := &sasl.OAuthBearerError{}
	if err := json.Unmarshal(challenge, why); err != nil {
		return nil, errors.New("the server's answer to the access token cannot be read")
	}
	return nil, why
}

// enter logs in with a password or with an access token.
func (v *visits) enter(ctx context.Context) (*connection, error) {
	if v.Mailbox.Auth == "" || v.Mailbox.Auth == AuthPassword {
		password, err := v.password()
		if err != nil {
			return nil, err
		}
		return dial(ctx, proof{user: v.where.User, secret: password, auth: AuthPassword, where: v.where}, v.TLS)
	}
	return v.enterWithToken(ctx)
}

// enterWithToken takes the token that is at hand. A server that refuses it may
// know that it was withdrawn: then a new one is tried, once.
func (v *visits) enterWithToken(ctx context.Context) (*connection, error) {
	for {
		token, fresh, err := v.tokens.access(ctx)
		if err != nil {
			return nil, err
		}
		c, err := dial(ctx, proof{user: v.where.User, secret: token, auth: v.Mailbox.Auth, where: v.where}, v.TLS)
		if !errors.Is(err, errRefused) {
			return c, err
		}
		v.tokens.drop()
		if fresh {
			return nil, fmt.Errorf("%w: a new access token was refused too; check that scope covers IMAP and that the user of the url is the one who consented", err)
		}
	}
}
