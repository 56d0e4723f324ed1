"""How mail programs and providers word their reports, a small message each, written from the formats as they are known.

A row: name, headers besides To and Date, body, and the recipients with a word that each diagnostic must hold.
"""

from __future__ import annotations

DAEMON = "From: MAILER-DAEMON@mx.example\nSubject: Undeliverable mail"
POSTMASTER = "From: postmaster@corp.example\nSubject: Undeliverable: Offer"
LOST = "lost@example.net"

Row = tuple[str, str, str, dict[str, str]]

FAMILIES: tuple[Row, ...] = (
    (
        "postfix", "From: MAILER-DAEMON@mx.example (Mail Delivery System)\nSubject: Undelivered Mail Returned to Sender",
        "This is the mail system at host mx.example.\n\nI'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients.\n\n"
        "<lost@example.net>: host mx.example.net[192.0.2.1] said: 550 5.1.1\n    <lost@example.net>: Recipient address rejected: User unknown (in reply to\n    RCPT TO command)\n\n"
        "<full@example.net>: host mx.example.net[192.0.2.1] said: 452 4.2.2 Mailbox\n    full (in reply to RCPT TO command)\n",
        {LOST: "User unknown", "full@example.net": "Mailbox full"},
    ),
    (
        "postfix-old", "From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail Returned to Sender",
        "This is the Postfix program at host mx.example.\n\n\t\t\tThe Postfix program\n\n<lost@example.net>: unknown user: \"lost\"\n",
        {LOST: "unknown user"},
    ),
    (
        "sendmail", "From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example>\nSubject: Returned mail: see transcript for details",
        "The original message was received at Mon, 2 Nov 2026 10:00:00 +0100\nfrom app.example [192.0.2.9]\n\n   ----- The following addresses had permanent fatal errors -----\n"
        "<lost@example.net>\n    (reason: 550 5.1.1 User unknown)\n\n   ----- Transcript of session follows -----\n... while talking to mx.example.net.:\n>>> DATA\n<<< 550 5.1.1 User unknown\n550 5.1.1 <lost@example.net>... User unknown\n",
        {LOST: "User unknown"},
    ),
    (
        "sendmail-5", "From: MAILER-DAEMON@mx.example\nSubject: Returned mail: Host unknown",
        "   ----- Transcript of session follows -----\n550 example.net (smtp)... 550 Host unknown\n554 <lost@example.net>... 550 Host unknown (Name server: no data known)\n\n   ----- Unsent message follows -----\n"
        "Received: by mx.example (5.65/1.37)\n\tid AA01; Mon, 2 Nov 2026\nFrom: a@b.example\nTo: lost@example.net\nSubject: hi\n",
        {LOST: "Host unknown"},
    ),
    (
        "qmail", "From: MAILER-DAEMON@mx.example\nSubject: failure notice",
        "Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        "<lost@example.net>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 no such mailbox\nGiving up on 192.0.2.1.\n\n<gone@example.net>:\nSorry, no mailbox here by that name. (#5.1.1)\n",
        {LOST: "no such mailbox", "gone@example.net": "no mailbox here"},
    ),
    (
        "exim", "From: Mail Delivery System <Mailer-Daemon@mx.example>\nSubject: Mail delivery failed: returning message to sender",
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n"
        "  lost@example.net\n    (ultimately generated from alias@example.org)\n    SMTP error from remote mail server after end of data:\n    554 5.7.1 spam refused\n  gone@example.net\n    Unrouteable address\n",
        {LOST: "spam refused", "gone@example.net": "Unrouteable"},
    ),
    (
        "folded", DAEMON,
        "A message could not be delivered.  The following address failed:\n\n  <lost@example.net>: 550 sorry about this unknown name\n<lost@example.net> at our place\n",
        {LOST: "unknown name <lost@example.net> at our place"},
    ),
    (
        "courier", "From: \"Courier mail server at mx.example\" <@>\nSubject: NOTICE: mail delivery status.",
        "This is a delivery status notification from mx.example,\nrunning the Courier mail server, version 1.2.\n\nThe original message was received on Mon, 2 Nov 2026 10:00:00 +0100\n\n"
        "---------------------------------------------------------------------------\n\n                           UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n"
        "<lost@example.net>:\n    mx.example.net [192.0.2.1]:\n>>> RCPT TO:<lost@example.net>\n<<< 550 User unknown.\n",
        {LOST: "User unknown"},
    ),
    (
        "opensmtpd", "From: Mailer Daemon <MAILER-DAEMON@mx.example>\nSubject: Delivery status notification: error",
        "    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\n\n    An error has occurred while attempting to deliver a message for\n    the following list of recipients:\n\nlost@example.net: 550 5.1.1 no such user\n",
        {LOST: "no such user"},
    ),
    (
        "exchange-2000", "From: System Administrator <postmaster@corp.example>\nSubject: Undeliverable: Offer",
        "Your message\n\n  To:      lost@example.net\n  Subject: Offer\n  Sent:    Mon, 2 Nov 2026 10:00:00 +0100\n\ndid not reach the following recipient(s):\n\n"
        "lost@example.net on Mon, 2 Nov 2026 10:00:05 +0100\n    The recipient name is not recognized\n\tThe MTS-ID of the original message is: c=us;a= ;p=corp;l=EX1\n    MSEXCH:IMS:CORP:SITE:EX1 0 (000C05A6) Unknown Recipient\n",
        {LOST: "not recognized"},
    ),
    (
        "exchange-2007", "From: Microsoft Exchange <postmaster@corp.example>\nSubject: Undeliverable: Offer",
        "Delivery has failed to these recipients or distribution lists:\n\nLost, Larry<mailto:lost@example.net>\nThe recipient's e-mail address was not found in the recipient's e-mail system.\n\n"
        "________________________________\nSent by Microsoft Exchange Server 2007\n\nDiagnostic information for administrators:\n\nGenerating server: ex.corp.example\n\nlost@example.net\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\n"
        "Original message headers:\n\nReceived: from a (192.0.2.1) by b; Mon, 2 Nov 2026\nFrom: a@b.example\nSubject: Offer\nTo: lost@example.net\n",
        {LOST: "not found"},
    ),
    (
        "office-365", "From: Microsoft Outlook <MicrosoftExchange329e@corp.example>\nReturn-Path: <>\nSubject: Undeliverable: Offer",
        "Your message to lost@example.net couldn't be delivered.\n\nlost wasn't found at example.net.\n\nMore Info for Email Admins\nStatus code: 550 5.1.10\n",
        {LOST: "5.1.10"},
    ),
    (
        "domino", POSTMASTER,
        "Your message\n\n  Subject: Offer\n\nwas not delivered to:\n\n  lost@example.net\n\nbecause:\n\n  User lost (lost@example.net) not listed in Domino Directory\n",
        {LOST: "not listed"},
    ),
    (
        "notes", POSTMASTER,
        "------- Failure Reasons  --------\n\nUser not listed in public Name & Address Book\nlost@example.net\n\n\n------- Returned Message --------\n\nReceived: from a by b; Mon, 2 Nov 2026\nFrom: a@b.example\nTo: lost@example.net\nSubject: hi\n",
        {LOST: ""},
    ),
    (
        "groupwise", POSTMASTER,
        "The message that you sent was undeliverable to the following:\n\tlost@example.net (mailbox is full)\n",
        {LOST: "mailbox is full"},
    ),
    (
        "gmail", "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nX-Failed-Recipients: lost@example.net\nSubject: Delivery Status Notification (Failure)",
        "Delivery to the following recipient failed permanently:\n\n     lost@example.net\n\nTechnical details of permanent failure:\nGoogle tried to deliver your message, but it was rejected by the server.\nThe error that the other server returned was:\n550 5.1.1 User unknown\n",
        {LOST: "User unknown"},
    ),
    (
        "yahoo", "From: MAILER-DAEMON@yahoo.example\nSubject: Failure Notice",
        "Sorry, we were unable to deliver your message to the following address.\n\n<lost@example.net>:\n554: delivery error: dd This user doesn't have an account\n",
        {LOST: "have an account"},
    ),
    (
        "yahoo-old", "From: MAILER-DAEMON@yahoo.example\nSubject: Delivery failure",
        "Message from  yahoo.com.\nUnable to deliver message to the following address(es).\n\n<lost@example.net>:\nSorry your message to lost@example.net cannot be delivered. This account has been disabled or discontinued [#102].\n",
        {LOST: "disabled"},
    ),
    (
        "aol", "From: MAILER-DAEMON@aol.example\nSubject: Mail Delivery Problem",
        "Your mail to the following recipients could not be delivered because they are not accepting mail from a@b.example:\n\n\tlost\n\tlost@example.net\n",
        {LOST: "not accepting"},
    ),
    (
        "amazon-ses", "From: MAILER-DAEMON@amazonses.com\nSubject: Delivery Status Notification (Failure)",
        "An error occurred while trying to deliver the mail to the following recipients:\nlost@example.net\n",
        {LOST: ""},
    ),
    (
        "workmail", "From: MAILER-DAEMON@email-smtp.example\nSubject: Undeliverable: Offer",
        "Your message didn't reach some or all of the intended recipients.\n\nThe following recipient(s) could not be reached:\nlost@example.net\n    Technical report: 550 5.1.1 mailbox does not exist\n",
        {LOST: "does not exist"},
    ),
    (
        "outlook.com", "From: postmaster@outlook.example\nSubject: Delivery Status Notification (Failure)",
        "This is an automatically generated Delivery Status Notification.\n\nDelivery to the following recipients failed.\n\n       lost@example.net\n",
        {LOST: ""},
    ),
    (
        "gmx", "From: GMX Mailer Daemon <mailer-daemon@gmx.example>\nSubject: Mail delivery failed: returning message to sender",
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to\none or more of its recipients. This is a permanent error.\nThe following address failed:\n\n\"lost@example.net\":\nSMTP error from remote server after RCPT command:\nhost: mx.example.net\n550 5.1.1 mailbox unavailable\n",
        {LOST: "unavailable"},
    ),
    (
        "web.de", "From: Mail Delivery System <mailer-daemon@kundenserver.example>\nSubject: Mail delivery failed: returning message to sender",
        "Diese Nachricht wurde automatisch erzeugt.\n\nEine Nachricht, die Sie versandt haben, konnte einem oder mehreren Empfängern\nnicht zugestellt werden. Folgende Adresse ist betroffen:\n\nlost@example.net:\nSMTP-Fehler: 550 Mailbox nicht vorhanden\n",
        {LOST: "nicht vorhanden"},
    ),
    (
        "apple", "From: MAILER-DAEMON@icloud.example\nSubject: Undeliverable: Offer",
        "Your message could not be delivered to the following recipients:\n\n  Recipient address: lost@example.net\n  Reason: Remote SMTP server has rejected address\n  Diagnostic code: smtp;550 5.1.1 unknown or illegal alias\n",
        {LOST: "illegal alias"},
    ),
    (
        "docomo", "From: MAILER-DAEMON@docomo.example\nSubject: Mail System Error - Returned Mail",
        "次のあて先へのメッセージはエラーのため送信できませんでした。\n\nlost@example.net\n宛先メールアドレスが見つかりません。550 Unknown user\n",
        {LOST: "Unknown user"},
    ),
    (
        "kddi", "From: no-reply@ezweb.example\nReturn-Path: <>\nSubject: Mail System Error",
        "Your mail sent on: Mon, 2 Nov 2026 10:00:00 +0900\n    Could not be delivered to: <lost@example.net>\n    As their mailbox is full.\n",
        {LOST: "mailbox is full"},
    ),
    (
        "au", "From: Mail Administrator <Postmaster@au.example>\nSubject: Mail System Error - Returned Mail",
        "Each of the following recipients was rejected by a remote mail server.\nThe reasons given by the server are included to help you determine why\neach recipient was rejected.\n\n    Recipient: <lost@example.net>\n    >>> RCPT TO:<lost@example.net>\n    <<< 550 <lost@example.net>: User unknown\n",
        {LOST: "User unknown"},
    ),
    (
        "softbank", "From: MAILER-DAEMON@softbank.example\nSubject: 送信エラー",
        "以下の宛先にメールを送信することができませんでした。\n\n<lost@example.net>\n理由: 550 Invalid recipient\n",
        {LOST: "Invalid recipient"},
    ),
    (
        "messagelabs", "From: \"MAILER-DAEMON\" <mailscanner@messagelabs.example>\nSubject: Mail Delivery Failure",
        "This is the mailscanner at server-1.messagelabs.example.\n\nI'm sorry to inform you that the message below could not be delivered.\nThe error was:\n\nlost@example.net\n550 5.1.1 recipient rejected\n",
        {LOST: "recipient rejected"},
    ),
    (
        "mimecast", "From: \"postmaster\" <postmaster@corp.example>\nSubject: [Postmaster] Email Delivery Failure",
        "This is a delivery failure notification message which indicates that\nan email you addressed to email address :\n-- lost@example.net\n\ncould not be delivered. The problem appears to be :\n-- Recipient email server rejected the message\n\nAdditional information follows :\n-- 550 5.1.1 mailbox unavailable\n",
        {LOST: "unavailable"},
    ),
    (
        "barracuda", "From: postmaster@barracuda.example\nSubject: **Message you sent blocked by our bulk email filter**",
        "Your message to: lost@example.net\nwas blocked by our Spam Firewall. The email you sent with the following subject has NOT BEEN DELIVERED:\n\nSubject: Offer\n",
        {LOST: "Spam Firewall"},
    ),
    (
        "zoho", "From: mailer-daemon@mail.zoho.example\nSubject: Undelivered Mail Returned to Sender",
        "This message was created automatically by mail delivery software.\nA message that you sent could not be delivered to one or more of its recipients. This is a permanent error.\n\nlost@example.net Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1 no such user\n",
        {LOST: "no such user"},
    ),
    (
        "yandex", "From: mailer-daemon@yandex.example\nSubject: Недоставленное сообщение",
        "Это письмо отправлено почтовым сервером yandex.ru.\n\nК сожалению, мы вынуждены сообщить Вам о том, что Ваше письмо не может\nбыть отправлено одному или нескольким адресатам.\n\n<lost@example.net>: host mx.example.net[192.0.2.1] said: 550 5.7.1 No such user! (in reply to RCPT TO command)\n",
        {LOST: "No such user"},
    ),
    (
        "mail.ru", "From: mailer-daemon@corp.mail.example\nSubject: Mail failure.",
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. The following address(es) failed:\n\n  lost@example.net\n    SMTP error from remote mail server after RCPT TO:<lost@example.net>:\n    550 Message was not accepted -- invalid mailbox.  Local mailbox lost@example.net is unavailable: user not found\n",
        {LOST: "user not found"},
    ),
    (
        "x400", POSTMASTER,
        "The message could not be delivered to the following recipients:\n\nRecipient: /G=Larry/S=Lost/O=corp/PRMD=net/ADMD= /C=DE/DDA:RFC-822=lost@example.net\nNon-delivery-reason-code: unable-to-transfer\nNon-delivery-diagnostic-code: unrecognised-OR-name\n",
        {LOST: "unrecognised"},
    ),
    (
        "x400-ims", POSTMASTER,
        "did not reach the following recipient(s):\n\nc=US;a= ;p=CORP;o=SITE;dda:SMTP=lost@example.net; on Mon, 2 Nov 2026 10:00:00 +0100\n    Unable to deliver the message due to a communications failure\n",
        {LOST: "communications failure"},
    ),
    (
        "netscape", "From: Mail Administrator <Postmaster@corp.example>\nSubject: Mail System Error - Returned Mail",
        "This Message was undeliverable due to the following reason:\n\nThe user(s) account is temporarily over quota.\n\n<lost@example.net>\n\nPlease reply to Postmaster@corp.example\nif you feel this message to be in error.\n",
        {LOST: "over quota"},
    ),
    (
        "imail", "From: \"Postmaster\" <postmaster@corp.example>\nSubject: Undeliverable Mail",
        "User mailbox exceeds allowed size: lost@example.net\n\nOriginal message follows.\n\nReceived: from a by b; Mon, 2 Nov 2026\nFrom: a@b.example\nTo: lost@example.net\nSubject: hi\n",
        {LOST: "exceeds"},
    ),
    (
        "james", "From: postmaster@corp.example\nSubject: Re: Offer",
        "Hi. This is the James mail server at corp.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.  Below\nI include the list of recipients and the reason why I was unable to deliver your message.\n\nFailed recipient(s):\nlost@example.net\n\nError message:\n550 no such user\n",
        {LOST: "no such user"},
    ),
    (
        "mdaemon", "From: MDaemon at corp.example <MDaemon@corp.example>\nSubject: Permanent Delivery Failure",
        "The attached message had PERMANENT fatal delivery errors!\n\nAfter one or more unsuccessful delivery attempts the attached message has\nbeen removed from the mail queue on this server.\n\nRecipient(s) of attached message:\n  lost@example.net\n\n  550 5.1.1 unknown user\n",
        {LOST: "unknown user"},
    ),
    (
        "smartermail", "From: System Administrator <noreply@corp.example>\nSubject: Delivery Failure",
        "Could not deliver message to the following recipient(s):\n\nFailed Recipient: lost@example.net\nReason: Remote host said: 550 no such user\n",
        {LOST: "no such user"},
    ),
    (
        "hmailserver", "From: mailer-daemon@corp.example\nSubject: Message undeliverable: Offer",
        "Your message did not reach some or all of the intended recipients.\n\n   Sent: Mon, 2 Nov 2026 10:00:00 +0100\n   Subject: Offer\n\nThe following recipient(s) could not be reached:\n\nlost@example.net\n   Error Type: SMTP\n   Remote server (192.0.2.1) issued an error.\n   hMailServer sent: RCPT TO:<lost@example.net>\n   Remote server replied: 550 no such user\n",
        {LOST: "no such user"},
    ),
    (
        "mailenable", "From: postmaster@corp.example\nSubject: Message Delivery Failure",
        "MailEnable: Message could not be delivered to some recipients.\nThe following recipient(s) could not be reached:\n\n\tRecipient: [SMTP:lost@example.net]\n\tReason: Remote SMTP Server Returned: 550 no such user\n",
        {LOST: "no such user"},
    ),
    (
        "kerio", "From: Kerio Connect <postmaster@corp.example>\nSubject: Undelivered mail",
        "This is the mail server at corp.example.\nYour message was not delivered to the following recipients:\n\n<lost@example.net>\n  error: 550 no such user\n",
        {LOST: "no such user"},
    ),
    (
        "communigate", "From: <MAILER-DAEMON@corp.example>\nSubject: Undeliverable mail: Offer",
        "Failed to deliver to 'lost@example.net'\nSMTP module(domain example.net) reports:\n host mx.example.net says:\n 550 5.1.1 User unknown\n",
        {LOST: "User unknown"},
    ),
    (
        "trend-micro", "From: postmaster@corp.example\nSubject: Mail could not be delivered",
        "****** Message from InterScan Messaging Security Suite ******\n\nSent <<< RCPT TO:<lost@example.net>\nReceived >>> 550 5.1.1 <lost@example.net>... user unknown\nUnable to deliver message to <lost@example.net>\n",
        {LOST: "user unknown"},
    ),
    (
        "mcafee", "From: MAILER-DAEMON@corp.example\nSubject: Delivery Status",
        "--- The following addresses had delivery problems ---\n\n<lost@example.net>   (User unknown lost@example.net)\n",
        {LOST: "User unknown"},
    ),
    (
        "spanish", "From: postmaster@corp.example\nSubject: No se pudo entregar: Oferta",
        "No se pudo realizar la entrega a estos destinatarios o grupos:\n\nlost@example.net\nNo se encontró la dirección de correo electrónico. 550 5.1.1\n",
        {LOST: "5.1.1"},
    ),
    (
        "french", "From: postmaster@corp.example\nSubject: Non remis : Offre",
        "Échec de la remise pour ces destinataires ou groupes :\n\nlost@example.net\nL'adresse de messagerie est introuvable. 550 5.1.1\n",
        {LOST: "5.1.1"},
    ),
    (
        "german", "From: postmaster@corp.example\nSubject: Unzustellbar: Angebot",
        "Fehler bei der Nachrichtenzustellung an folgende Empfänger oder Gruppen:\n\nlost@example.net\nDie E-Mail-Adresse wurde nicht gefunden. 550 5.1.1\n",
        {LOST: "5.1.1"},
    ),
    (
        "italian", "From: postmaster@corp.example\nSubject: Non recapitabile: Offerta",
        "Impossibile recapitare il messaggio ai seguenti destinatari o gruppi:\n\nlost@example.net\nIndirizzo di posta elettronica non trovato. 550 5.1.1\n",
        {LOST: "5.1.1"},
    ),
    (
        "chinese", "From: postmaster@qq.example\nSubject: 系统退信",
        "很抱歉，您的邮件被退回原发件人。\n\n收件人：lost@example.net\n退信原因：550 Mailbox not found\n",
        {LOST: "not found"},
    ),
    (
        "korean", "From: postmaster@naver.example\nSubject: 메일 전송 실패",
        "다음 수신자에게 메일을 전달하지 못했습니다.\n\nlost@example.net\n550 5.1.1 없는 사용자\n",
        {LOST: "5.1.1"},
    ),
    (
        "russian", "From: postmaster@corp.example\nSubject: Не удалось доставить сообщение",
        "Сообщение не было доставлено следующим получателям:\n\nlost@example.net\n550 5.1.1 пользователь не найден\n",
        {LOST: "не найден"},
    ),
    (
        "fields-in-text", DAEMON,
        "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; lost@example.net\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n",
        {LOST: "no such user"},
    ),
    (
        "sentence", DAEMON,
        "Your message to lost@example.net with the subject Offer was rejected: the mailbox does not exist.\nFor help write to support@corp.example.\n",
        {LOST: "does not exist"},
    ),
)  # fmt: skip

SENTENCES: tuple[str, ...] = (
    "Here is your list of failed recipients:\n\nlost@example.net\n\nHere is your returned mail\n\nReceived: from x\nFrom: a@b\n",
    "Unable to deliver your message to the following recipients:\n lost@example.net  550 unknown\n",
    "Undeliverable Address:  lost@example.net\nReason: no mailbox\n",
    "Mail to: lost@example.net\ncould not be delivered. Mailbox full.\n",
    "The following destination addresses were unknown (please check\nthe addresses and re-mail the message):\n\nSMTP <lost@example.net>\n",
    "Delivery to the following address failed permanently: lost@example.net\nno such user\n",
    "A message sent by <a@b.example> to lost@example.net failed: quota exceeded\n",
    "lost@example.net failed: 550 no such user\n",
    "This user's mailbox is full: 'lost@example.net'\n",
    "The recipient <lost@example.net> does not exist at this server.\n",
    "Invalid RCPT TO: lost@example.net\n",
    "Deliver to lost@example.net failed, host not found\n",
    "Your message was not delivered to <lost@example.net> for the following reason:\n\n  mailbox quota exceeded\n",
    "Your message:\n   From:    a@b.example\n   Subject: Nyaan\nCould not be delivered because of\n\n550 5.1.1 User unknown\n\nThe following recipients were affected: \n    lost@example.net\n",
    "Your message could not be sent.\nA transcript of the attempts to send the message follows.\nThe number of attempts made: 1\nAddressed To: lost@example.net\n\nMon 2 Nov 2026 23:34:45 +0900\nFailed to send to identified host,\nlost@example.net: [192.0.2.5], 550 lost@example.net... No such user\n--- Message non-deliverable.\n",
    "  ----- The following addresses had permanent fatal errors -----\n\n>>> lost@example.net <lost@example.net>\n\n  ----- Transcript of session follows -----\n550 sorry, no mailbox here by that name (#5.1.1 - chkusr)\n",
    "Sorry, I couldn't deliver your mail to any of these:\n\n  * lost@example.net (Unknown local part)\n",
    "The e-mail account does not exist at the organization this message was sent to: <lost@example.net>\n#5.1.1\n",
    "Failed addresses follow:\n---------------------|---\n<lost@example.net> ... unknown user\n\n Message text follows:\n ---------------------\nReceived: from x by y\nFrom: a@b.example\nTo: z@z.example\n",
    "The message you sent to lost@example.net was rejected because it would exceed the quota for the mailbox.\n\nThe message was sent from a@b.example.\n",
    "We were unable to deliver your mail to\n\n    lost@example.net\n\nThe mail server at example.net responded: 550 unknown.\n",
    "Error sending mail to lost@example.net: 451 timeout\n",
    "Could not send message to recipient lost@example.net, contact postmaster@example.org for help\n",
    "Your mail addressed to lost@example.net was refused. Please contact help@example.org.\n",
    "Undelivered recipients:\n  lost@example.net (User unknown)\n",
    "User unknown: lost@example.net\n",
    "No such user - lost@example.net\n",
    "Recipient(s):\n\tlost@example.net\n\nDescription: mailbox unavailable\n",
    "Betreff: Test\n\nDie folgende Nachricht konnte nicht an lost@example.net zugestellt werden:\nUnbekannter Benutzer\n",
    "Ihre Nachricht an <lost@example.net> konnte nicht zugestellt werden.\nGrund: Postfach voll\n",
    "Votre message à destination de lost@example.net n'a pas pu être délivré. Boîte pleine.\n",
    "Su mensaje a lost@example.net no pudo ser entregado. Buzón lleno.\n",
    "Il tuo messaggio per lost@example.net non è stato consegnato: casella piena\n",
    "あなたの lost@example.net 宛のメールは配信できませんでした。\n550 user unknown\n",
    "宛先: <lost@example.net>\nエラー: ユーザが見つかりません\n",
    "您发往 lost@example.net 的邮件被退回，原因：用户不存在\n",
    "Ваше сообщение для lost@example.net не доставлено: ящик переполнен\n",
    "The original message was received at Mon, 2 Nov 2026\nfrom app [192.0.2.9]\n\n   ----- The following addresses had transient non-fatal errors -----\n<lost@example.net>\n\n   ----- Transcript of session follows -----\n<lost@example.net>... Deferred: Connection timed out with mx.example.net.\nWarning: message still undelivered after 4 hours\nWill keep trying until message is 5 days old\n",
    "Final report: lost@example.net; 550 unknown\n",
    "<lost@example.net>\n",
    "Mail delivery to lost@example.net has been suspended. Reason: account disabled. Reference: <20261102.abc@mx.example>\n",
    "From: a@b.example\nTo: lost@example.net\nSubject: x\n\nwas not delivered: 550 denied\n",
    "The following message to <lost@example.net> was undeliverable.\nThe reason for the problem:\n5.1.0 - Unknown address error 550-'5.1.1 no'\n",
    "Technical report: SMTP error 550 for recipient lost@example.net\n",
    "--- The following addresses had delivery errors---\n\nlost@example.net [User unknown]\n",
    "Receiver address: lost@example.net\nStatus: rejected\n",
    "Address: lost@example.net\nError: 550 mailbox not found\n",
    "Message could not be delivered to:\nLarry Lost (lost@example.net)\n  Server error: '550 no such user'\n",
)  # fmt: skip
"""Notices in few words, each about lost@example.net alone."""
