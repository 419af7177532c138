//! What a box sees of its own parts: evidence that a change took place.

use anyhow::Result;

use crate::world::vm_box::VmBox;

/// Everything in one command, as each costs an emulated box a second.
const LOOK: &str = "cat /proc/cpuinfo /proc/meminfo; \
    for name in sys_vendor product_name bios_vendor; do \
    echo \"dmi $name : $(cat /sys/class/dmi/id/$name)\"; done; \
    echo \"nic : $(basename $(readlink /sys/class/net/lan0/device/driver)) \
    $(cat /sys/class/net/lan0/address)\"; \
    echo \"disk : $(basename $(readlink -f /dev/disk/by-partlabel/state))\"; \
    echo \"kernel : $(uname -r)\"; \
    echo \"date : $(date -u +%Y-%m-%d)\"; \
    echo \"efi : $(test -d /sys/firmware/efi && echo UEFI || echo BIOS)\"; \
    displays=0; for class in /sys/bus/pci/devices/*/class; do read -r class <$class; \
    case $class in 0x03*) displays=$((displays + 1));; esac; done; \
    echo \"display : $displays\"; \
    echo \"tpm : $(basename $(readlink /sys/class/tpm/tpm0/device/driver))\"; \
    echo \"zone : $(systemctl show-environment | tr '\\n' ' ')\"";

/// One line about the box's parts, as its own kernel sees them.
///
/// # Errors
/// The box does not answer.
pub async fn from_inside(the_box: &mut VmBox) -> Result<String> {
    Ok(in_one_line(&the_box.look(LOOK).await?))
}

fn in_one_line(said: &str) -> String {
    let value = |key: &str| {
        said.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim() == key)
            .map_or("?", |(_, value)| value.trim())
    };
    let cpus = said
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kib: u64 = value("MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0);
    let zone = value("zone")
        .split(' ')
        .find_map(|word| word.strip_prefix("TZ="));
    format!(
        "{cpus} x {}, {} MiB; {} {} ({}, {}); {}; disk {}; {} display; {}; Linux {}; {}, {}",
        value("model name"),
        kib / 1024,
        value("dmi sys_vendor"),
        value("dmi product_name"),
        value("efi"),
        value("dmi bios_vendor"),
        value("nic"),
        value("disk"),
        value("display"),
        value("tpm"),
        value("kernel"),
        value("date"),
        zone.unwrap_or("UTC"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_from_many() {
        let said = "processor\t: 0\nmodel name\t: Nehalem\nprocessor\t: 1\nMemTotal:  2048000 kB\n\
                    dmi sys_vendor : Other\ndmi product_name : Board 2\ndmi bios_vendor : SeaBIOS\n\
                    nic : vmxnet3 52:54:00:5e:b7:03\ndisk : sda3\nkernel : 6.12\ndate : 2031-11-24\n\
                    efi : BIOS\ndisplay : 1\ntpm : tpm_tis\nzone : LANG=C TZ=Asia/Tokyo\n";
        assert_eq!(
            in_one_line(said),
            "2 x Nehalem, 2000 MiB; Other Board 2 (BIOS, SeaBIOS); vmxnet3 52:54:00:5e:b7:03; \
             disk sda3; 1 display; tpm_tis; Linux 6.12; 2031-11-24, Asia/Tokyo"
        );
    }
}
