//! Command lines that cannot be run: each names what is wrong and how to mend it.

use std::fs::{create_dir, hard_link};
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use test_support::command::{Folder, run_rows};

#[test]
fn what_cannot_be_run_is_refused_with_its_mend_and_the_right_code() {
    let folder = Folder::new();
    folder.write("file", "mine");
    create_dir(folder.join("inner")).unwrap();
    symlink(folder.join("file"), folder.join("link")).unwrap();
    folder.write("one", "");
    hard_link(folder.join("one"), folder.join("two")).unwrap();
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let table = "
        1 | run --input http://nosuchhost.invalid:80             | name an address of this machine
        1 | run --input tcp://192.0.2.1:8080                     | this machine has no such address
        1 | run --input tcp://USED                               | name another port
        1 | run --input unix:FOLDER/file                         | something else is there; remove it
        1 | run --input unix:/nosuchfolder/socket                | a folder that can be written
        2 | run --input http://127.0.0.1:99999                   | a port is a number up to 65535
        2 | run --output http://127.0.0.1:99999/logs             | a port is a number up to 65535
        2 | run --admin :99999                                   | a port is a number up to 65535
        2 | run --state inner                                    | is a folder; name a file in it
        2 | run --state file                                     | --state-reset
        2 | run --state /nosuchfolder/state                      | a folder that can be written
        2 | run --state link                                     | name what it leads to
        2 | run --state one                                      | name a file that has one
        2 | run --output http://127.0.0.1:1 --dead-letter link   | name what it leads to
        2 | run --output http://127.0.0.1:1 --dead-letter one    | name a file that has one
        2 | run --output http://127.0.0.1:1 --dead-letter /dev/null | a device; name a file
        2 | run --output none --alerts exec:/nosuchfolder/told   | /nosuchfolder/told cannot be run
        2 | replay --output none file                            | --output none is for `maxconn run` alone
        2 | run --request-timeout 0s                             | it must be more than nothing";
    let table = table
        .replace("USED", &used.local_addr().unwrap().to_string())
        .replace("FOLDER", folder.to_str().unwrap());
    run_rows(&folder, &table, |_| ());
    assert_eq!(folder.read("file"), b"mine");
}
